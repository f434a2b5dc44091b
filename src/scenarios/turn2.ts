/**
 * Turn 2. "We're getting abuse from bots. Add rate limiting: no user should make more than 100 requests per minute.
 * How does it interact with sessions?"
 *
 * Honest users work and log in. Then bots are added: scrapers at fifty times an honest user's rate, credential stuffing
 * with forged forwarding headers, many keys of one user from one address, one key from many addresses, and bursts as
 * large as the limit on both sides of a window's boundary; and traffic that fills every other level of the limits. Finally
 * Redis, which stores the limits, is killed under them, just after a burst.
 */

import type { OperationRecord } from '../sim/history.ts';
import { mixOf } from '../sim/pure/load/workload.ts';
import type { Declaration, Invariant } from '../sim/scenario.ts';
import { definePlatformScenario } from './define-platform.ts';
import {
  degradedBounded,
  noFalseRefusals,
  retryAfterHonest,
  windowExact,
} from './invariants/limit-invariants.ts';
import { forgedRefused, logoutFinal, sessionsSurvive } from './invariants/session-invariants.ts';
import { defineLimitArm, judgedPhase, openStream, warmUpPhase } from './limit-scenario-parts.ts';
import type { PlatformFault, PlatformPhase } from './platform-topology.ts';
import { levelInvariants, unitsOf } from './turn2-level-rules.ts';
import {
  burstsInParts,
  type LevelSize,
  levelGroups,
  levelTraffic,
  loginAgain,
} from './turn2-levels.ts';
import {
  accountGroups,
  bursts,
  HONEST,
  honest,
  type Leaving,
  leavingStreams,
  login,
  manyKeys,
  outageBursts,
  polite,
  politeTwice,
  roaming,
  SEARCH_USERS,
  scrape,
  stuff,
} from './turn2-requests.ts';
import { slos } from './turn2-slos.ts';

const REDIS_KILL = 'redis-kill';
const GATEWAYS = 4;
const targets = Array.from({ length: GATEWAYS }, (_, index) => `gateway.${index + 1}`);
/** Requests of one user in any window. */
const LIMIT = 100;
const WARM_UP_MS = 3_000;
/** A scraper's rate, as a multiple of an honest user's. */
const SCRAPER_TIMES = 50;

interface Size extends LevelSize {
  /** Requests a second of each honest user, well below the limit. */
  readonly honestEach: number;
  readonly scrapers: number;
  /** Requests a second: all keys of the one user, the key used from many addresses, stuffed logins, honest logins. */
  readonly manyKeys: number;
  readonly roaming: number;
  readonly stuffing: number;
  /** Addresses the stuffed logins come from. */
  readonly stuffers: number;
  readonly logins: number;
  readonly leaving: Leaving;
  /** Limit for a decision without Redis, after the first. */
  readonly maxDecisionMs: number;
  readonly seconds: Readonly<Record<'baseline' | 'bots' | 'outage' | 'back' | 'liveness', number>>;
}
const FULL: Size = {
  windowMs: 60_000,
  honestEach: 0.75,
  scrapers: 3,
  manyKeys: 20,
  roaming: 20,
  stuffing: 40,
  stuffers: 4,
  logins: 0.5,
  leaving: { people: 120, logoutsPerSecond: 0.6 },
  perSecond: { again: 0.25, guesses: 0.4, tokens: 1, registrations: 0.4 },
  maxDecisionMs: 50,
  // Honest users alone send 30 a second; an error rate of 0.1 % needs 3,000 requests.
  seconds: { baseline: 15, bots: 80, outage: 10, back: 60, liveness: 15 },
};
const QUICK: Size = {
  windowMs: 2_000,
  honestEach: 1,
  scrapers: 1,
  manyKeys: 55,
  roaming: 55,
  stuffing: 10,
  stuffers: 1,
  logins: 1,
  leaving: { people: 20, logoutsPerSecond: 1 },
  perSecond: { again: 0.6, guesses: 2, tokens: 4, registrations: 1.5 },
  maxDecisionMs: 250,
  // Shorter than a window, so that what Redis lost still counts when it is back.
  seconds: { baseline: 3, bots: 8, outage: 0.8, back: 6.2, liveness: 2 },
};

const KILL_AFTER_MS = 500;

const testbedOf = (size: Size) => ({
  windowMs: size.windowMs,
  gateways: GATEWAYS,
  template: {
    design: 'turn2.before',
    users: 400,
    searchUsers: SEARCH_USERS,
    heavyProjects: 20_000,
  },
  groups: [...accountGroups(size), ...levelGroups],
});

function phasesOf(size: Size): readonly PlatformPhase[] {
  const { windowMs, seconds, honestEach, scrapers } = size;
  const honestTraffic = (durationMs: number) => [
    openStream(honest, HONEST * honestEach, durationMs),
    openStream([login], size.logins, durationMs),
    openStream([loginAgain], size.perSecond.again, durationMs, 'constant'),
  ];
  /** Twice the limit within one window: a fixed window or a token bucket admits both halves. */
  const boundaryBursts = (durationMs: number) =>
    burstsInParts(bursts, {
      limit: LIMIT,
      firstMs: 0.375 * windowMs,
      everyMs: 0.75 * windowMs,
      durationMs,
    });
  /** The limit is used up when Redis is killed: in one window with the degraded share, and with Redis back empty. */
  const burstsAroundKill = (durationMs: number) =>
    burstsInParts(outageBursts, {
      limit: LIMIT,
      firstMs: KILL_AFTER_MS / 2,
      everyMs: 0.4 * windowMs,
      durationMs,
    });
  const allTraffic = (durationMs: number, burstTraffic = boundaryBursts(durationMs)) => [
    ...honestTraffic(durationMs),
    ...levelTraffic(size, durationMs),
    openStream([scrape], scrapers * SCRAPER_TIMES * honestEach, durationMs, 'constant'),
    openStream([stuff], size.stuffing, durationMs, 'constant'),
    openStream([manyKeys], size.manyKeys, durationMs, 'constant'),
    openStream([roaming], size.roaming, durationMs, 'constant'),
    ...leavingStreams(durationMs, size.leaving),
    ...burstTraffic,
  ];
  const outageMs = (seconds.outage + seconds.back) * 1_000;
  const ms = (of: keyof Size['seconds']) => seconds[of] * 1_000;
  return [
    warmUpPhase(mixOf(allTraffic(WARM_UP_MS))),
    judgedPhase({
      name: 'baseline',
      role: 'baseline',
      note: 'people alone',
      load: mixOf(honestTraffic(ms('baseline'))),
    }),
    judgedPhase({
      name: 'bots',
      role: 'load',
      note: 'scrapers, stuffed logins, many keys, bursts, every level',
      load: mixOf([...allTraffic(ms('bots')), politeTwice(ms('bots'))]),
    }),
    judgedPhase({
      name: 'redis-kill',
      role: 'fault',
      note: 'kill -9 of Redis just after a burst, back empty',
      load: mixOf(allTraffic(outageMs, burstsAroundKill(outageMs))),
      faults: [redisKill(ms('outage'))],
    }),
    judgedPhase({
      name: 'liveness',
      role: 'liveness',
      note: 'people alone again',
      load: mixOf(honestTraffic(ms('liveness'))),
    }),
  ];
}

const redisKill = (forMs: number): PlatformFault => ({
  name: REDIS_KILL,
  at: { afterMs: KILL_AFTER_MS },
  fault: { kind: 'kill', target: 'redis', signal: 'SIGKILL' },
  forMs,
});

const limitedOperations = [...honest, scrape, manyKeys, roaming, ...bursts, ...outageBursts].map(
  ({ name }) => name,
);

function invariantsOf({ windowMs, maxDecisionMs, stuffers }: Size): readonly Invariant[] {
  const perUser = {
    operations: limitedOperations,
    limit: LIMIT,
    windowMs,
    subjectOf: ({ user }: OperationRecord) => user,
  };
  return [
    // Counts requests, as the requirement does. A search costs more than one unit, so the limiter admits fewer.
    windowExact(perUser),
    noFalseRefusals({ ...perUser, policy: 'user', weightOf: unitsOf }),
    // Only while the store is up: the reduced share during an outage need not honour an earlier Retry-After.
    retryAfterHonest({
      operations: [...limitedOperations, polite.name],
      subjectOf: ({ phase, user }) => (phase === 'bots' ? user : undefined),
      weightOf: unitsOf,
      obeyed: 10,
    }),
    ...levelInvariants({
      windowMs,
      stuffers,
      usualNames: limitedOperations,
      freeWithinMs: 2 * maxDecisionMs,
    }),
    degradedBounded({
      ...perUser,
      weightOf: unitsOf,
      faults: [REDIS_KILL],
      targets,
      credentials: [login.name, stuff.name],
      // On a saturated machine a process stalls for longer than a decision takes.
      maxDecisionMs,
      // One window, until what the old Redis admitted no longer counts, and 5 s for the processes to agree.
      maxRecoveryMs: windowMs + 5_000,
    }),
    // Few sessions end, so few probes are possible on each process.
    logoutFinal({ targets, probes: 10, verbs: ['log out'] }),
    sessionsSurvive({ targets, probes: 10 }),
    forgedRefused({ targets }),
  ];
}

/** Size of the comparison of the limiters. */
const COMPARISON = {
  full: { windowMs: 1_000, users: 10_000, rounds: 7, decisions: 5_000 },
  quick: { windowMs: 1_000, users: 2_000, rounds: 2, decisions: 2_000 },
} as const;

function declare(size: Size): Declaration {
  const phases = phasesOf(size);
  const ofLevels = levelInvariants({ ...size, usualNames: [], freeWithinMs: 0 });
  const mayFail = ['people-errors', 'people-p99', 'degraded-bounded'].concat(
    ofLevels.map(({ id }) => id),
  );
  return {
    arms: {
      before: defineLimitArm('turn2.before', testbedOf(size), phases, {
        expected: 'fail',
        mustFail: ['login-errors', 'window-exact'],
        mayFail,
      }),
      sample: defineLimitArm('turn2.sample', testbedOf(size), phases, {
        expected: 'fail',
        // A full bucket plus its refill is twice the limit in one window; logins have no user yet, so they are unlimited.
        mustFail: ['login-errors', 'window-exact'],
        mayFail,
      }),
      after: defineLimitArm('turn2.after', testbedOf(size), phases, {
        expected: 'pass',
        mustFail: [],
      }),
    },
    slos,
    invariants: invariantsOf(size),
    tolerance: { slowMs: 200, stableMs: size === QUICK ? 500 : 2_000 },
    // A login may wait 5 s in the line for hashing, and takes most of a second on a busy core.
    timeoutMs: 8_000,
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

export const turn2 = definePlatformScenario({
  id: 'turn2',
  turn: 2,
  title: 'Bots, and a limit that is exact',
  question:
    'Do people get through while bots try everything, and does anybody ever get more than 100 in a window?',
  situation:
    'Bots abuse the platform. No user should make more than 100 requests per minute, whatever sessions, keys, addresses or headers they use. Redis, which counts, will fail.',
  declare: ({ quick }) => declare(quick ? QUICK : FULL),
});
