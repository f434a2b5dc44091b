/**
 * Turn 5. "Your rate limiter blocked our CI/CD pipeline. We have 50 build agents that all use the same API key, and
 * they collectively hit the limit." Working as designed, and the design is wrong.
 *
 * Fifty enrolled agents run pipelines in bursts, one of them at fifty times the others' rate, and six at five times: more
 * than the key has for them, so its limit divides them. A thief has the key without an enrolment and makes up an agent
 * name for each request. Other customers work at the same time.
 */
import type { OperationRecord } from '../sim/history.ts';
import { mixOf, type OpenWorkload } from '../sim/pure/load/workload.ts';
import type { Declaration, Invariant, Slo } from '../sim/scenario.ts';
import { definePlatformScenario } from './define-platform.ts';
import { activityCorrect, auditChain, auditOnce } from './invariants/audit-invariants.ts';
import {
  agentsFair,
  retryAfterHonest,
  stolenKeyBounded,
  windowExact,
} from './invariants/limit-invariants.ts';
import { levelRefusals, levelsExact, remainingExact } from './invariants/limit-levels.ts';
import { defineLimitArm, judgedPhase, openStream, warmUpPhase } from './limit-scenario-parts.ts';
import type { PlatformPhase } from './platform-topology.ts';
import { evenShare, turn5Levels } from './turn5-levels.ts';
import {
  BUILD,
  build,
  busy,
  greedy,
  STALENESS_MS,
  search,
  steal,
  tenant,
  tenantNames,
  unitsOf,
  WATCH_EVERY_MS,
  WATCHERS,
  watch,
} from './turn5-requests.ts';

const GATEWAYS = 2;
const AGENTS = 50;
const WARM_UP_MS = 3_000;
/** In one burst; consecutive requests are of different agents. */
const BURST = 5;
const GREEDY_TIMES = 50;
/** Agents that request more than what the others leave them. */
const BUSY = 6;
const BUSY_TIMES = 5;
const BUILDERS = AGENTS - 1 - BUSY;
const TENANTS = 20;

interface Size {
  readonly windowMs: number;
  /** Limit of the customer's key, in any window. */
  readonly keyLimit: number;
  /** Requests a second of an agent: less than an equal part of the key's limit. */
  readonly agentEach: number;
  readonly thief: number;
  readonly tenantEach: number;
  readonly seconds: Readonly<Record<'baseline' | 'pipelines' | 'liveness', number>>;
}
const FULL: Size = {
  windowMs: 60_000,
  keyLimit: 1_500,
  agentEach: 0.42,
  thief: 10,
  tenantEach: 1,
  // Tenants send 20 a second; an error rate of 0.1 % needs 3,000 requests.
  seconds: { baseline: 25, pipelines: 125, liveness: 20 },
};
const QUICK: Size = {
  windowMs: 4_000,
  keyLimit: 480,
  agentEach: 1.8,
  thief: 30,
  tenantEach: 4,
  seconds: { baseline: 4, pipelines: 10, liveness: 4 },
};

const testbedOf = ({ windowMs, keyLimit }: Size) => ({
  windowMs,
  gateways: GATEWAYS,
  template: { design: 'turn5.before', users: 200 },
  groups: [
    {
      name: 'agents',
      kind: 'agents',
      count: 1,
      agents: BUILDERS,
      tier: 'ci',
      limits: { key: keyLimit },
    },
    { name: 'busy', kind: 'agents', keyOf: 'agents', agents: BUSY },
    { name: 'greedy', kind: 'agents', keyOf: 'agents', agents: 1 },
    { name: 'thief', kind: 'keys', keyOf: 'agents' },
    { name: 'tenants', kind: 'sessions', count: TENANTS },
    { name: 'watchers', kind: 'sessions', count: WATCHERS },
  ],
});

function phasesOf(size: Size): readonly PlatformPhase[] {
  const { agentEach, thief, tenantEach, seconds } = size;
  const tenantTraffic = (durationMs: number) => [
    openStream(tenant, TENANTS * tenantEach, durationMs),
    openStream([watch], (WATCHERS * 1_000) / WATCH_EVERY_MS, durationMs, 'constant'),
  ];
  const buildTraffic = (durationMs: number): OpenWorkload => ({
    ...openStream([build(size)], BUILDERS * agentEach, durationMs),
    arrivals: 'bursts',
    burstEveryMs: (BURST * 1_000) / (BUILDERS * agentEach),
  });
  const ordinaryTraffic = (durationMs: number) => [
    ...tenantTraffic(durationMs),
    buildTraffic(durationMs),
  ];
  const contestingTraffic = (durationMs: number) => [
    openStream([busy], BUSY * BUSY_TIMES * agentEach, durationMs),
    openStream([search], agentEach / 2, durationMs),
    openStream([greedy], GREEDY_TIMES * agentEach, durationMs),
    openStream([steal], thief, durationMs),
  ];
  const ms = (of: keyof Size['seconds']) => seconds[of] * 1_000;
  return [
    warmUpPhase(mixOf([...ordinaryTraffic(WARM_UP_MS), ...contestingTraffic(WARM_UP_MS)])),
    judgedPhase({
      name: 'baseline',
      role: 'baseline',
      note: `other customers, and ${BUILDERS} agents at work`,
      load: mixOf(ordinaryTraffic(ms('baseline'))),
    }),
    judgedPhase({
      name: 'pipelines',
      role: 'load',
      note: 'with busy agents, a greedy one and a thief',
      load: mixOf([...ordinaryTraffic(ms('pipelines')), ...contestingTraffic(ms('pipelines'))]),
    }),
    judgedPhase({
      name: 'liveness',
      role: 'liveness',
      note: 'other customers alone',
      load: mixOf(tenantTraffic(ms('liveness'))),
    }),
  ];
}

const ROLES = new Map<string, 'honest' | 'greedy' | 'invented'>([
  [BUILD, 'honest'],
  [busy.name, 'honest'],
  [search.name, 'honest'],
  [greedy.name, 'greedy'],
  [steal.name, 'invented'],
]);

function invariantsOf(size: Size): readonly Invariant[] {
  const { windowMs, keyLimit } = size;
  const operations = [...ROLES.keys()];
  const levels = {
    levelsOf: turn5Levels({
      ...size,
      agents: AGENTS,
      ofKey: operations,
      unenrolled: steal.name,
      weightOf: unitsOf,
    }),
    otherPoliciesOf: ({ name }: OperationRecord) =>
      name === search.name ? ['search-concurrent'] : [],
    mustBind: ['unenrolled'],
  };
  const key = {
    operations,
    limit: keyLimit,
    windowMs,
    subjectOf: () => 'key',
    weightOf: unitsOf,
  };
  return [
    windowExact(key),
    agentsFair({
      operations,
      limit: keyLimit,
      windowMs,
      weightOf: unitsOf,
      agentOf: ({ phase, name, subject = '' }) =>
        phase === 'pipelines' ? { agent: subject, role: ROLES.get(name)! } : null,
      mustHaveSeen: { honest: AGENTS - 1, saturatedWindows: 1, contested: BUSY },
    }),
    stolenKeyBounded({
      ...key,
      operations: [steal.name],
      limit: evenShare(keyLimit, AGENTS),
    }),
    levelsExact(levels),
    levelRefusals(levels),
    remainingExact({ ...levels, mustSay: ['organisation', 'key', 'unenrolled', 'user'] }),
    retryAfterHonest({
      operations: [...operations, ...tenantNames],
      obeyed: 0,
      subjectOf: ({ user }: OperationRecord) => user,
      weightOf: unitsOf,
    }),
    // Actions of keys and agents are recorded under their owner, and so is every refusal.
    auditOnce({ denials: 10 }),
    auditChain,
    activityCorrect({ operation: watch.name, stalenessMs: STALENESS_MS, seesAgeMs: 2_500 }),
  ];
}

const slos: readonly Slo[] = [
  {
    id: 'build-errors',
    objective: 'errors < 1%',
    operations: [BUILD],
    phases: ['pipelines'],
  },
  {
    id: 'tenants-p99',
    objective: 'latency.p99 <= 1.2x',
    // With 600 samples of code not yet compiled, the p99 varies more than the abuse could change it.
    quickObjective: 'latency.p99 < 500ms',
    operations: tenantNames,
    phases: ['pipelines'],
    baseline: 'baseline',
  },
  {
    id: 'tenants-errors',
    objective: 'errors < 0.1%',
    quickObjective: 'errors < 1%',
    operations: tenantNames,
  },
  { id: 'liveness', objective: 'errors < 1%', operations: tenantNames, phases: ['liveness'] },
];

const LEVELS = ['levels-exact', 'level-refusals', 'remaining-exact'];

function declare(size: Size): Declaration {
  const phases = phasesOf(size);
  return {
    arms: {
      before: defineLimitArm('turn5.before', testbedOf(size), phases, {
        expected: 'fail',
        mustFail: ['build-errors'],
        // The key has a user's limit of 100, first come, first served, for the thief as well.
        mayFail: ['agents-fair', 'stolen-key-bounded', ...LEVELS, 'tenants-p99', 'tenants-errors'],
      }),
      sample: defineLimitArm('turn5.sample', testbedOf(size), phases, {
        expected: 'fail',
        mustFail: ['stolen-key-bounded'],
        mayFail: ['agents-fair', 'window-exact', ...LEVELS, 'tenants-p99', 'tenants-errors'],
      }),
      after: defineLimitArm('turn5.after', testbedOf(size), phases, {
        expected: 'pass',
        mustFail: [],
      }),
    },
    slos,
    invariants: invariantsOf(size),
    tolerance: { slowMs: 200, stableMs: size === QUICK ? 500 : 2_000 },
    costPhase: 'liveness',
    scaleNote:
      size === QUICK
        ? `--quick counts in windows of ${QUICK.windowMs / 1_000} s instead of ${FULL.windowMs / 1_000} s and gives the key ${QUICK.keyLimit} requests in each instead of ${FULL.keyLimit}; everybody is faster accordingly, and the phases are shorter.`
        : '',
  };
}

export const turn5 = definePlatformScenario({
  id: 'turn5',
  turn: 5,
  title: 'Fifty agents on one key',
  question: 'Do the pipelines of a customer run, fairly, without giving a stolen key the platform?',
  situation:
    'Customer complaint: "Your rate limiter blocked our CI/CD pipeline. We have 50 build agents that all use the same API key, and they collectively hit the limit." The limiter works as designed; the design is wrong.',
  declare: ({ quick }) => declare(quick ? QUICK : FULL),
});
