/**
 * Turn 3. "Enterprise customers want audit logs. Every authenticated action: who, what, when, outcome. Where does
 * this state live? Who owns it?"
 *
 * People read, change and are refused things while seeded kills end gateways right after an answer, PostgreSQL while a
 * COMMIT is in flight, single backends, and Redis. Afterwards the log is compared with what was answered.
 */
import { findDesign } from '../services/lineage.ts';
import { planKills } from '../sim/pure/kill-plan.ts';
import { createRandom, type Random } from '../sim/pure/random.ts';
import { mixOf, type OpenWorkload, type OperationTemplate } from '../sim/pure/workload.ts';
import type { Arm, Declaration, Phase, Slo } from '../sim/scenario.ts';
import { auditAtomic, auditChain, auditOnce, auditOrder } from './audit-invariants.ts';
import { type Kills, killKinds, NO_KILLS, POSTGRES_AWAY } from './audit-kills.ts';
import { defineScenario } from './define.ts';
import { platformTopology } from './platform-topology.ts';

const GATEWAYS = 4;
const gateways = Array.from({ length: GATEWAYS }, (_, index) => `gateway.${index + 1}`);
const PEOPLE = 300;
const BUILDERS = 20;
const GREEDY = 2;
/** Windows short enough that a Redis which comes back empty is trusted again at once. */
const WINDOW_MS = 2_000;
/** More than anybody here asks for, also of the small share that a gateway admits by itself. */
const AMPLE = { organisation: 10_000, user: 10_000, address: 10_000, key: 10_000 };

interface Size {
  readonly seconds: Readonly<Record<'warmUp' | 'baseline' | 'liveness', number>>;
  readonly spacingMs: number;
  /** Kills of each kind, phase by phase. */
  readonly kills: Readonly<Record<'gateway' | 'postgres' | 'redis' | 'mixed', Kills>>;
}
/** Nothing is broken in these. */
const CALM = ['baseline', 'liveness'];
/** Histogram of the gateway: how long an answer that was ready waited for its event to be on record. */
const AUDIT_WAIT = 'audit_wait_seconds';
const none = NO_KILLS;
const FULL: Size = {
  // 2,995 wanted answers at 110 a second, without which less than 0.1 % errors is not proven.
  seconds: { warmUp: 4, baseline: 30, liveness: 15 },
  spacingMs: 1_300,
  kills: {
    gateway: { ...none, gateway: 55, term: 15 },
    postgres: { ...none, postgres: 35, backend: 15 },
    redis: { ...none, redis: 40 },
    mixed: { gateway: 20, term: 5, postgres: 10, backend: 5, redis: 10 },
  },
};
const QUICK: Size = {
  // 299 wanted answers each, with some to spare whatever the seed.
  seconds: { warmUp: 3, baseline: 4, liveness: 4 },
  spacingMs: 1_000,
  kills: {
    gateway: { ...none, gateway: 4, term: 1 },
    postgres: { ...none, postgres: 2, backend: 1 },
    redis: { ...none, redis: 6 },
    mixed: { ...none, gateway: 1, postgres: 1, redis: 1 },
  },
};

/** Nobody's: ids are random. */
const STRANGE = '0f9d3c52-6f3e-4d7c-9d51-3a1f5f1f7b11';
/** As a careful client does: what changes nothing is tried again elsewhere, seldom enough not to keep an overload alive. */
const again: Pick<OperationTemplate, 'retry'> = {
  retry: { attempts: 3, baseMs: 150, capMs: 1_000, statuses: [503], elsewhere: true },
};
const read = (name: string, path: string, weight: number): OperationTemplate => ({
  ...{ name, path, weight, method: 'GET', group: 'people' },
  ...again,
});
const check = read('check', '/session', 40);
const list = read('list projects', '/projects', 20);
const lookUp = read('read project', '/projects/{project}', 15);
const foreign = read("read another's project", `/projects/${STRANGE}`, 6);
const admin = read('administrate', '/admin/rate-limits', 4);
const create: OperationTemplate = {
  ...{ name: 'create project', path: '/projects', method: 'POST', weight: 25, group: 'people' },
  body: { name: 'Project {op}' },
};
const build: OperationTemplate = {
  ...{ name: 'build', path: '/projects', method: 'GET', weight: 10, group: 'builders' },
  ...again,
};
const greedy: OperationTemplate = {
  ...{ name: 'ask too often', path: '/session', method: 'GET', weight: 8, group: 'greedy' },
};
const operations = [check, list, lookUp, foreign, admin, create, build, greedy];
/** What is answered with a success when all is well. */
const wanted = [check, list, lookUp, create, build].map(({ name }) => name);

/** What the log calls them. */
const actions: Readonly<Record<string, string>> = {
  [check.name]: 'session.read',
  [list.name]: 'project.list',
  [lookUp.name]: 'project.read',
  [foreign.name]: 'project.read',
  [admin.name]: 'rate-limit.list',
  [create.name]: 'project.create',
  [build.name]: 'project.list',
  [greedy.name]: 'session.read',
};

function open(durationMs: number): Phase['load'] {
  const stream = (of: readonly OperationTemplate[]): OpenWorkload => ({
    ...{ kind: 'open', arrivals: 'poisson', operations: of },
    stages: [{ ratePerSecond: of.reduce((sum, { weight }) => sum + weight, 0), durationMs }],
  });
  return mixOf([stream(operations)]);
}

function phasesOf(size: Size, seed: number): readonly Phase[] {
  const random = createRandom(seed).fork('kills');
  const numbers = new Map<string, number>();
  const { seconds } = size;
  const calm = (name: string, role: Phase['role'], note: string, ms: number): Phase => ({
    name,
    role,
    note,
    judged: role !== 'warm-up',
    load: open(ms),
  });
  const under = (name: keyof Size['kills'], note: string) =>
    killPhase(size, { name: `${name}-kills`, note, kills: size.kills[name] }, random, numbers);
  return [
    calm('warm-up', 'warm-up', 'connections, caches and code', seconds.warmUp * 1_000),
    calm('baseline', 'baseline', 'reads, changes and refusals', seconds.baseline * 1_000),
    under('gateway', 'gateways end right after an acknowledged change, or are told to'),
    under('postgres', 'PostgreSQL ends while a COMMIT is in flight, and single backends do'),
    under('redis', 'Redis ends right after an acknowledged change, and comes back empty'),
    under('mixed', 'everything in turn'),
    calm('liveness', 'liveness', 'everything is back', seconds.liveness * 1_000),
  ];
}

function killPhase(
  { spacingMs }: Size,
  { name, note, kills }: { name: string; note: string; kills: Kills },
  random: Random,
  numbers: Map<string, number>,
): Phase {
  const kinds = killKinds(kills, { gateways, change: create.name });
  const plan = { kinds, startMs: 300, spacingMs, mostDown: 2 };
  const { faults, endMs } = planKills(plan, random.fork(name), numbers);
  return { name, role: 'fault', note, judged: true, faults, load: open(endMs) };
}

function total({ kills }: Size): number {
  return Object.values(kills)
    .flatMap((counts) => Object.values(counts))
    .reduce((sum, count) => sum + count, 0);
}

const topology = (design: string) =>
  platformTopology({
    design,
    template: {
      design: design === 'turn3.after' ? design : 'turn3.before',
      ...{ rows: 2_000, users: PEOPLE + BUILDERS + GREEDY + 10 },
    },
    accounts: {
      groups: [
        { name: 'people', kind: 'sessions', count: PEOPLE, limits: AMPLE },
        { name: 'builders', kind: 'keys', count: BUILDERS, limits: AMPLE },
        { name: 'greedy', kind: 'sessions', count: GREEDY, limits: { user: 1 } },
      ],
    },
    gateway: { limitWindowMs: WINDOW_MS },
    gateways: GATEWAYS,
    proxied: ['gateway->postgres'],
  });

function arm(
  design: string,
  phases: readonly Phase[],
  expectations: Pick<Arm, 'expected' | 'mustFail' | 'mayFail'>,
): Arm {
  const { summary } = findDesign(design);
  return { design, description: summary, ...expectations, topology: topology(design), phases };
}

/** Of a design whose records are not durable when it answers; the time of a write that nobody waits for is no promise. */
const MAY_FAIL = [
  ...['audit-atomic', 'audit-order', 'audit-chain', 'checks', 'baseline-p99', 'liveness'],
  ...['audit-wait', 'audit-wait-tail', 'added'],
];

const slos: readonly Slo[] = [
  {
    id: 'baseline-p99',
    objective: 'latency.p99 < 100ms',
    // 500 samples of four processes that are three seconds old: 25 to 96 ms, of code still being compiled, with little
    // else going on. More than twice the worst of it.
    quickObjective: 'latency.p99 < 250ms',
    operations: wanted,
    phases: ['baseline'],
  },
  {
    id: 'baseline-errors',
    objective: 'errors < 0.1%',
    quickObjective: 'errors < 1%',
    operations: wanted,
    phases: ['baseline'],
  },
  {
    id: 'checks',
    objective: 'errors < 3%',
    // Every second of an outage weighs more in phases of a few seconds: 3 % on a quiet machine, 5 % on one with four
    // times the work it can do.
    quickObjective: 'errors < 10%',
    operations: [check.name],
    phases: ['gateway-kills', 'postgres-kills', 'redis-kills', 'mixed-kills'],
  },
  { id: 'liveness', objective: 'errors < 1%', operations: wanted, phases: ['liveness'] },
  {
    id: 'audit-wait',
    // "Before the answer, at most 10 ms added", as the process that answers sees it, of every event outside a
    // transaction. On two cores that everything here shares, the last hundredth is the scheduler's: told by the next.
    objective: `metric.${AUDIT_WAIT}.p95 < 10ms`,
    quickObjective: `metric.${AUDIT_WAIT}.p95 < 25ms`,
    phases: CALM,
  },
  {
    id: 'audit-wait-tail',
    objective: `metric.${AUDIT_WAIT}.p99 < 25ms`,
    // A machine with six times the work it can do, and 400 writes a phase: 48 ms.
    quickObjective: `metric.${AUDIT_WAIT}.p99 < 100ms`,
    phases: CALM,
  },
  {
    id: 'added',
    // The same promise as a client sees it, with everything else that differs between the designs.
    objective: 'latency.p50 < before + 10ms',
    // The arms are measured a minute apart, and for four seconds each.
    quickObjective: 'latency.p50 < before + 25ms',
    operations: wanted,
    phases: ['baseline'],
  },
];

function declare(size: Size, seed: number): Declaration {
  const phases = phasesOf(size, seed);
  return {
    arms: {
      before: arm('turn3.before', phases, {
        expected: 'fail',
        // What stood in memory is gone with its process, and nothing is chained.
        mustFail: ['audit-once'],
        mayFail: MAY_FAIL,
      }),
      sample: arm('turn3.sample', phases, {
        expected: 'fail',
        // Pushed and not awaited, in a Redis that is killed; taken out, and not yet written.
        mustFail: ['audit-once'],
        mayFail: MAY_FAIL,
      }),
      after: arm('turn3.after', phases, { expected: 'pass', mustFail: [] }),
    },
    slos,
    invariants: [
      auditOnce({ actions, denials: 20 }),
      auditAtomic,
      auditOrder({ away: POSTGRES_AWAY }),
      auditChain,
    ],
    tolerance: { slowMs: 150, stayMs: 250 },
    costPhase: 'baseline',
    scaleNote:
      size === QUICK
        ? `--quick kills ${total(QUICK)} times instead of ${total(FULL)}, a little closer together; the calm phases are shorter, and limits of latency and errors are coarser. Load and kinds of faults are the same.`
        : '',
  };
}

export const turn3 = defineScenario({
  id: 'turn3',
  turn: 3,
  title: 'The audit log while real processes die',
  question: 'Is every answered action on record exactly once, whatever dies when?',
  situation:
    'Enterprise customers want audit logs. Every authenticated action: who, what, when, outcome. Where does this state live? Who owns it?',
  declare: ({ quick, seed }) => declare(quick ? QUICK : FULL, seed),
});
