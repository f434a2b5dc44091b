/**
 * The accounts of turn 1. Most people only check, log in and log out; some accounts are for operations on several sessions
 * of a user, for password changes, for being disabled, or end by themselves in the run.
 */
export interface Population {
  readonly people: number;
  /** Users with several sessions, and users that are disabled. */
  readonly several: number;
  readonly disabled: number;
  readonly changing: number;
  /** Sessions of each kind that end by themselves, and when, from when the accounts are made. */
  readonly ending: number;
  readonly endMs: { readonly from: number; readonly to: number };
  /** Of those that end in ordinary load. */
  readonly soonMs: { readonly fromMs: number; readonly toMs: number };
}

export const populations = {
  full: {
    people: 10_000,
    several: 500,
    disabled: 120,
    changing: 60,
    ending: 100,
    endMs: { from: 40_000, to: 110_000 },
    soonMs: { fromMs: 20_000, toMs: 60_000 },
  },
  quick: {
    people: 400,
    several: 50,
    disabled: 16,
    changing: 8,
    ending: 24,
    endMs: { from: 8_000, to: 16_000 },
    soonMs: { fromMs: 6_500, toMs: 12_500 },
  },
} as const satisfies Record<string, Population>;

export function accountGroups({
  people,
  several,
  disabled,
  changing,
  ending,
  endMs: { from: fromMs, to: toMs },
  soonMs,
}: Population) {
  const sessions = (name: string, count: number, more: Readonly<Record<string, unknown>> = {}) => ({
    name,
    kind: 'sessions',
    count,
    ...more,
  });
  const administratedBy = 'administrator';
  return [
    sessions('people', people),
    sessions('hot', 4),
    sessions('aged', ending, { ending: { by: 'absolute', fromMs, toMs } }),
    sessions('dormant', ending, { ending: { by: 'idle', fromMs, toMs, dormant: true } }),
    sessions('dozing', ending, { ending: { by: 'idle', ...soonMs, dormant: true } }),
    sessions('expiring', ending, { ending: { by: 'absolute', ...soonMs } }),
    sessions('awake', Math.ceil(ending / 2), { ending: { by: 'idle', fromMs, toMs } }),
    sessions('administrator', 1, { administrators: true }),
    sessions('several', several, { sessionsPerUser: 3, administratedBy }),
    sessions('disabled', disabled, { sessionsPerUser: 2, administratedBy }),
    sessions('changing', changing, { sessionsPerUser: 2 }),
  ];
}

/** Users that the groups need. */
export const usersOf = (population: Population): number =>
  accountGroups(population).reduce((sum, { count }) => sum + count, 0);
