/**
 * Turn 2. "We're getting abuse from bots. Add rate limiting: no user should make more than 100 requests per minute.
 * How does it interact with sessions?"
 *
 * Honest people work and log in. Then the bots come: scrapers at fifty times their rate, stuffed logins behind forged
 * forwarding headers, many keys of one user from one address, one key from many addresses, and bursts as large as the
 * limit on both sides of a window's boundary. At last Redis, where the limiter lives, is killed under them.
 */

import type { OperationRecord } from '../sim/history.ts';
import { mixOf, type OpenWorkload } from '../sim/pure/workload.ts';
import type { Declaration, Invariant, Slo } from '../sim/scenario.ts';
import { defineScenario } from './define.ts';
import { limitArm, phase, stream, warmUp } from './limit-drill.ts';
import {
  degradedBounded,
  noFalseRefusals,
  retryAfterHonest,
  windowExact,
} from './limit-invariants.ts';
import type { PlatformFault, PlatformPhase } from './platform-topology.ts';
import {
  bursts,
  honest,
  honestNames,
  login,
  manyKeys,
  polite,
  roaming,
  scrape,
  stuff,
} from './turn2-requests.ts';

const REDIS_KILL = 'redis-kill';
const GATEWAYS = 4;
const targets = Array.from({ length: GATEWAYS }, (_, index) => `gateway.${index + 1}`);
/** Requests of one user in any window. */
const LIMIT = 100;
const HONEST = 40;
const POLITE = 30;
const WARM_UP_MS = 3_000;
/** The rate of a scraper, in honest people. */
const SCRAPER_TIMES = 50;

interface Size {
  readonly windowMs: number;
  /** Requests a second of each honest person, well below the limit. */
  readonly honestEach: number;
  readonly scrapers: number;
  /** Requests a second: all keys of the one user, the one key from everywhere, stuffed logins, honest logins. */
  readonly manyKeys: number;
  readonly roaming: number;
  readonly stuffing: number;
  /** Addresses the stuffed logins come from. */
  readonly stuffers: number;
  readonly logins: number;
  /** For a decision without Redis, after the first. */
  readonly tookLimitMs: number;
  readonly seconds: Readonly<Record<'baseline' | 'bots' | 'outage' | 'back' | 'liveness', number>>;
}
const FULL: Size = {
  ...{ windowMs: 60_000, honestEach: 0.75, scrapers: 3 },
  ...{ manyKeys: 20, roaming: 20, stuffing: 40, stuffers: 4, logins: 0.5, tookLimitMs: 50 },
  // People alone send 30 a second: 3,000 and more tell 0.1 %.
  seconds: { baseline: 15, bots: 80, outage: 10, back: 60, liveness: 15 },
};
const QUICK: Size = {
  ...{ windowMs: 2_000, honestEach: 1, scrapers: 1 },
  ...{ manyKeys: 55, roaming: 55, stuffing: 10, stuffers: 1, logins: 1, tookLimitMs: 250 },
  seconds: { baseline: 3, bots: 8, outage: 3, back: 4, liveness: 2 },
};

const BURST_PART_MS = 40;

const SEARCH_USERS = 4;
const bed = ({ windowMs, scrapers, stuffers }: Size) => ({
  windowMs,
  gateways: GATEWAYS,
  template: {
    ...{ design: 'turn2.before', users: 400 },
    ...{ searchUsers: SEARCH_USERS, heavyProjects: 20_000 },
  },
  groups: [
    // The first people are those whose accounts hold much to scrape.
    { name: 'scraper', kind: 'sessions', count: scrapers, addresses: scrapers },
    {
      name: 'honest',
      kind: 'sessions',
      count: HONEST,
      firstUser: SEARCH_USERS + 1,
      addresses: HONEST,
    },
    { name: 'burst', kind: 'sessions', count: 1, addresses: 1 },
    { name: 'polite', kind: 'sessions', count: POLITE, limits: { user: 1 } },
    { name: 'keys', kind: 'keys', count: 1, keysPerUser: 20, addresses: 1 },
    { name: 'roaming', kind: 'keys', count: 1, keysPerUser: 1, addresses: 30 },
    {
      name: 'stuffer',
      kind: 'sessions',
      count: HONEST,
      addresses: stuffers,
      victims: 'honest',
    },
  ],
});

function phasesOf(size: Size): readonly PlatformPhase[] {
  const { windowMs, seconds, honestEach, scrapers } = size;
  const people = (durationMs: number) => [
    stream(honest, HONEST * honestEach, durationMs),
    stream([login], size.logins, durationMs),
  ];
  const everyMs = 0.75 * windowMs;
  /** Twice in a window as much as a window may hold: a counter that starts again, or a bucket that fills, lets both through. */
  const boundary = (durationMs: number): OpenWorkload[] =>
    bursts.map((part, index) => ({
      ...stream([part], (LIMIT * 1_000) / bursts.length / everyMs, durationMs, 'bursts'),
      ...{ burstEveryMs: everyMs, burstOffsetMs: everyMs / 2 + index * BURST_PART_MS },
    }));
  const twiceEach = (durationMs: number): OpenWorkload => ({
    ...stream([polite], 2 * POLITE, 1_000, 'constant'),
    stages: [
      { ratePerSecond: 0, durationMs: 2_500 },
      { ratePerSecond: 2 * POLITE, durationMs: 1_000 },
      { ratePerSecond: 0, durationMs: durationMs - 3_500 },
    ],
  });
  const everybody = (durationMs: number) => [
    ...people(durationMs),
    stream([scrape], scrapers * SCRAPER_TIMES * honestEach, durationMs, 'constant'),
    stream([stuff], size.stuffing, durationMs, 'constant'),
    stream([manyKeys], size.manyKeys, durationMs, 'constant'),
    stream([roaming], size.roaming, durationMs, 'constant'),
    ...boundary(durationMs),
  ];
  const ms = (of: keyof Size['seconds']) => seconds[of] * 1_000;
  return [
    warmUp(mixOf(everybody(WARM_UP_MS))),
    phase({
      ...{ name: 'baseline', role: 'baseline', note: 'people alone' },
      load: mixOf(people(ms('baseline'))),
    }),
    phase({
      ...{ name: 'bots', role: 'load', note: 'scrapers, stuffed logins, many keys, bursts' },
      load: mixOf([...everybody(ms('bots')), twiceEach(ms('bots'))]),
    }),
    phase({
      ...{
        name: 'redis-kill',
        role: 'fault',
        note: 'kill -9 of Redis under the bots, back empty',
      },
      load: mixOf(everybody(ms('outage') + ms('back'))),
      faults: [redisKill(ms('outage'))],
    }),
    phase({
      ...{ name: 'liveness', role: 'liveness', note: 'people alone again' },
      load: mixOf(people(ms('liveness'))),
    }),
  ];
}

const redisKill = (forMs: number): PlatformFault => ({
  name: REDIS_KILL,
  at: { afterMs: 500 },
  fault: { kind: 'kill', target: 'redis', signal: 'SIGKILL' },
  forMs,
});

const limited = [...honest, scrape, manyKeys, roaming, ...bursts].map(({ name }) => name);
const units = new Map(
  [...honest, scrape].map(({ name, path }) => [name, path.includes('search') ? 5 : 1]),
);

function invariantsOf({ windowMs, tookLimitMs }: Size): readonly Invariant[] {
  const perUser = {
    ...{ operations: limited, limit: LIMIT, windowMs },
    subjectOf: ({ user }: OperationRecord) => user,
  };
  return [
    // Requests, as the requirement counts them; a search takes more units than one, so the units are fewer still.
    windowExact(perUser),
    noFalseRefusals({
      ...{ ...perUser, policy: 'user' },
      weightOf: ({ name }) => units.get(name) ?? 1,
    }),
    // While the store is there: what it told, the reduced share of an outage need not keep.
    retryAfterHonest({
      operations: [...limited, polite.name],
      subjectOf: ({ phase, user }) => (phase === 'bots' ? user : undefined),
      weightOf: ({ name }) => units.get(name) ?? 1,
      obeyed: 10,
    }),
    degradedBounded({
      ...perUser,
      ...{ faults: [REDIS_KILL], targets, credentials: [login.name, stuff.name] },
      // A machine whose cores are full stalls for longer than a decision takes.
      tookLimitMs,
      // Until nobody can remember what the old Redis admitted, and a little for the processes to agree.
      backWithinMs: windowMs + 5_000,
    }),
  ];
}

const botPhases = ['bots'];
const slos: readonly Slo[] = [
  {
    id: 'people-errors',
    objective: 'errors < 0.1%',
    quickObjective: 'errors < 1%',
    operations: honestNames,
    phases: ['baseline', 'bots', 'liveness'],
  },
  {
    id: 'people-p99',
    objective: 'latency.p99 < 250ms',
    // Code that has run for seconds only is several times slower, whatever the design.
    quickObjective: 'latency.p99 < 1s',
    operations: honestNames,
    phases: botPhases,
  },
  {
    id: 'login-errors',
    objective: 'errors < 10%',
    quickObjective: 'errors < 25%',
    operations: [login.name],
    phases: ['baseline', 'bots'],
  },
  {
    id: 'liveness',
    objective: 'errors < 1%',
    quickObjective: 'errors < 5%',
    operations: honestNames,
    phases: ['liveness'],
  },
];

/** How many users, rounds and decisions put the limiters beside each other. */
const COMPARISON = {
  full: { windowMs: 1_000, users: 10_000, rounds: 7, decisions: 5_000 },
  quick: { windowMs: 1_000, users: 2_000, rounds: 2, decisions: 2_000 },
} as const;

function declare(size: Size): Declaration {
  const phases = phasesOf(size);
  return {
    arms: {
      before: limitArm('turn2.before', bed(size), phases, {
        expected: 'fail',
        mustFail: ['login-errors', 'window-exact'],
        mayFail: ['people-errors', 'people-p99', 'degraded-bounded'],
      }),
      sample: limitArm('turn2.sample', bed(size), phases, {
        expected: 'fail',
        // A full bucket and its refill are two limits in one window; logins have no user yet, so nothing limits them.
        mustFail: ['login-errors', 'window-exact'],
        mayFail: ['people-errors', 'people-p99', 'degraded-bounded'],
      }),
      after: limitArm('turn2.after', bed(size), phases, { expected: 'pass', mustFail: [] }),
    },
    slos,
    invariants: invariantsOf(size),
    tolerance: { slowMs: 200, stayMs: size === QUICK ? 500 : 2_000 },
    // A login takes most of a second on a busy core.
    timeoutMs: 4_000,
    costPhase: 'baseline',
    comparison: {
      name: 'comparison',
      module: 'services/jobs/compare-limiters.js',
      params: size === QUICK ? COMPARISON.quick : COMPARISON.full,
    },
    scaleNote:
      size === QUICK
        ? `--quick counts in windows of ${QUICK.windowMs / 1_000} s instead of ${FULL.windowMs / 1_000} s, with ${LIMIT} requests as before; everybody is faster accordingly, and the phases are shorter. Logins are counted in minutes as before.`
        : '',
  };
}

export const turn2 = defineScenario({
  id: 'turn2',
  turn: 2,
  title: 'Bots, and a limit that is exact',
  question:
    'Do people get through while bots try everything, and does anybody ever get more than 100 in a window?',
  situation:
    'Bots abuse the platform. No user should make more than 100 requests per minute, whatever sessions, keys, addresses or headers they use. Redis, which counts, will fail.',
  declare: ({ quick }) => declare(quick ? QUICK : FULL),
});
