/**
 * What an endpoint of a receiver can do with a request. A behaviour is one entry here: how its data is checked, its
 * words, and its answer. The receiver's process and the run that gives it orders both read this table.
 */
import type { EndpointBehaviour } from '../../../topology.ts';

/** What becomes of a request whose body has been read. */
export interface Plan {
  /** Null: no answer. */
  readonly status: number | null;
  /** Until then nothing happens; null: for ever. */
  readonly delayMs: number | null;
  /** Resets the connection. */
  readonly reset: boolean;
}

interface Behaviour<Given extends EndpointBehaviour> {
  /** Keys beside `kind`. */
  readonly keys: readonly string[];
  problem(given: Readonly<Record<string, unknown>>): string | null;
  words(given: Given): string;
  plan(given: Given): Plan;
}

type Of<Kind extends EndpointBehaviour['kind']> = Extract<EndpointBehaviour, { kind: Kind }>;

const MAX_DELAY_MS = 3_600_000;
const inRange = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

const BEHAVIOURS: { readonly [Kind in EndpointBehaviour['kind']]: Behaviour<Of<Kind>> } = {
  healthy: {
    keys: [],
    problem: () => null,
    words: () => 'healthy',
    plan: () => ({ status: 200, delayMs: 0, reset: false }),
  },
  slow: {
    keys: ['delayMs'],
    problem: ({ delayMs }) =>
      inRange(delayMs, 0, MAX_DELAY_MS)
        ? null
        : `delayMs must be a whole number from 0 to ${MAX_DELAY_MS}, not ${delayMs}`,
    words: ({ delayMs }) => `slow by ${delayMs} ms`,
    plan: ({ delayMs }) => ({ status: 200, delayMs, reset: false }),
  },
  hanging: {
    keys: [],
    problem: () => null,
    words: () => 'hanging',
    plan: () => ({ status: null, delayMs: null, reset: false }),
  },
  status: {
    keys: ['status'],
    problem: ({ status }) =>
      inRange(status, 200, 599)
        ? null
        : `status must be a whole number from 200 to 599, not ${status}`,
    words: ({ status }) => `status ${status}`,
    plan: ({ status }) => ({ status, delayMs: 0, reset: false }),
  },
  closed: {
    keys: [],
    problem: () => null,
    words: () => 'closed',
    plan: () => ({ status: null, delayMs: 0, reset: true }),
  },
};

const find = (kind: unknown): Behaviour<EndpointBehaviour> | null =>
  typeof kind === 'string' && Object.hasOwn(BEHAVIOURS, kind)
    ? (BEHAVIOURS[kind as EndpointBehaviour['kind']] as Behaviour<EndpointBehaviour>)
    : null;

/** Null when it is a behaviour. */
export function behaviourProblem(given: unknown): string | null {
  const data = (given ?? {}) as Readonly<Record<string, unknown>>;
  const behaviour = find(data.kind);
  if (behaviour === null)
    return `there is no behaviour ${JSON.stringify(data.kind)}; known: ${Object.keys(BEHAVIOURS).join(', ')}`;
  const other = Object.keys(data).find((key) => key !== 'kind' && !behaviour.keys.includes(key));
  if (other !== undefined) return `${data.kind} has no ${other}`;
  return behaviour.problem(data);
}

export const behaviourWords = (given: EndpointBehaviour): string => find(given.kind)!.words(given);

export const planOf = (given: EndpointBehaviour): Plan => find(given.kind)!.plan(given);
