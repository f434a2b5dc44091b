/**
 * Turn 1. "Users log in; we need to know if they are authenticated for subsequent requests. About 10,000
 * concurrent users."
 *
 * Every arm runs the same phases: ordinary load, a login storm, Redis partitioned while users log out and then back with
 * its old data, PostgreSQL killed while a COMMIT is in flight, a gateway killed right after an acknowledged logout, Redis
 * killed and restarted empty. Afterwards every ended session is probed on every gateway, and every live one once.
 */
import { findDesign } from '../services/lineage.ts';
import type { OpenWorkload, OperationTemplate, SweepWorkload } from '../sim/pure/load/workload.ts';
import type { Arm, Declaration, Invariant, Slo } from '../sim/scenario.ts';
import { defineArm, defineScenario } from './define.ts';
import { type PlatformFault, type PlatformPhase, platformTopology } from './platform-topology.ts';
import { lifeCycleOnce, logoutFinal, sessionsSurvive } from './session-invariants.ts';

const GATEWAYS = 4;
const targets = Array.from({ length: GATEWAYS }, (_, index) => `gateway.${index + 1}`);

interface Size {
  readonly sessions: number;
  /** Phase durations are divided by this. */
  readonly divisor: number;
  readonly logoutsPerSecond: number;
  readonly sweepsPerSecond: number;
  /** The first sweep meets cold processes: `before` cannot serve more. */
  readonly warmupsPerSecond: number;
}
const FULL: Size = {
  sessions: 10_000,
  divisor: 1,
  logoutsPerSecond: 85,
  sweepsPerSecond: 800,
  warmupsPerSecond: 500,
};
const QUICK: Size = {
  sessions: 600,
  divisor: 8,
  logoutsPerSecond: 50,
  sweepsPerSecond: 700,
  warmupsPerSecond: 500,
};

const CHECKS_PER_SECOND = 300;
const LOGINS_PER_SECOND = 0.5;
/** Few and short retries, on the next instance, because the first one may be down. */
const check: OperationTemplate = {
  name: 'check',
  weight: CHECKS_PER_SECOND,
  method: 'GET',
  path: '/session',
  retry: { attempts: 2, baseMs: 40, capMs: 200, statuses: [503], onNextInstance: true },
};
/** With a token whose logout was acknowledged: every process must refuse it. */
const probe: OperationTemplate = {
  name: 'probe',
  weight: 30,
  method: 'GET',
  path: '/session',
  as: 'ended',
};
/** In a browser that is logged in already: the new session replaces the presented one. */
const login: OperationTemplate = {
  name: 'login',
  weight: LOGINS_PER_SECOND,
  method: 'POST',
  path: '/login',
  body: { email: '{email}', password: '{password}' },
  revokesCredential: true,
  issuesCredential: { token: 'token', subject: 'sessionId' },
};
const logout = (perSecond: number): OperationTemplate => ({
  name: 'logout',
  weight: perSecond,
  method: 'POST',
  path: '/logout',
  revokesCredential: true,
});

const topology = (design: string, { sessions }: Size) =>
  platformTopology({
    design,
    // One template for all three arms: they start from the same tables.
    template: { design: 'turn1.before', users: FULL.sessions },
    accounts: { count: sessions },
    gateways: GATEWAYS,
    proxied: ['gateway->redis', 'gateway->postgres'],
  });

function phasesOf(size: Size): readonly PlatformPhase[] {
  const ms = (full: number) => Math.round(full / size.divisor);
  const open = (durationMs: number, operations: readonly OperationTemplate[]): OpenWorkload => ({
    kind: 'open',
    arrivals: 'poisson',
    stages: [{ ratePerSecond: operations.reduce((sum, one) => sum + one.weight, 0), durationMs }],
    operations,
  });
  const fewLogouts = logout(size.logoutsPerSecond / 5);
  const faultPhase = (fault: PlatformFault, note: string, full: number): PlatformPhase => ({
    name: fault.name,
    role: 'fault',
    note,
    judged: true,
    faults: [fault],
    load: open(ms(full), [check, fewLogouts, probe]),
  });
  const ordinary = [check, login];
  const warmUpSweep = { ...sweep(size, 'live', false), ratePerSecond: size.warmupsPerSecond };
  return [
    phase('warm-up', 'warm-up', 'everybody once: connections and caches fill', warmUpSweep),
    judgedPhase('checks', 'load', 'session checks alone: what one costs', open(ms(7_000), [check])),
    judgedPhase('baseline', 'baseline', 'ordinary load', open(ms(14_000), ordinary)),
    judgedPhase(
      'login-storm',
      'load',
      'twenty times the logins',
      open(ms(14_000), [check, { ...login, weight: 20 * LOGINS_PER_SECOND }]),
    ),
    {
      ...judgedPhase(
        'redis-partition',
        'fault',
        'no gateway reaches Redis while people log out',
        open(ms(14_000), [check, logout(size.logoutsPerSecond), probe]),
      ),
      faults: [redisPartition],
    },
    endedSweep(size, 'healed', 'Redis is back with its old data'),
    faultPhase(gatewayKill, 'kill -9 right after an acknowledged logout, restarted', 12_000),
    // First fill Redis again, so that the next phase shows what a design does with it while PostgreSQL is down.
    liveSweep(size, 'healed', 'everything is back'),
    faultPhase(postgresKill, 'kill -9 while a COMMIT is in flight, restarted', 14_000),
    faultPhase(redisKill, 'kill -9, restarted empty', 10_000),
    judgedPhase('liveness', 'liveness', 'everything is back', open(ms(10_000), ordinary)),
    endedSweep(size, 'final', 'after everything'),
    liveSweep(size, 'final', 'after everything'),
  ];
}

function phase(
  name: string,
  role: PlatformPhase['role'],
  note: string,
  load: PlatformPhase['load'],
): PlatformPhase {
  return { name, role, note, judged: false, load };
}

function judgedPhase(...given: Parameters<typeof phase>): PlatformPhase {
  return { ...phase(...given), judged: true };
}

/** Probes every ended session on every gateway. */
function endedSweep(size: Size, when: string, note: string): PlatformPhase {
  const everywhere = sweep(size, 'ended', true);
  return phase(`${when}-ended`, 'heal', `${note}: all ended sessions, everywhere`, everywhere);
}

/** Probes every live session once. */
function liveSweep(size: Size, when: string, note: string): PlatformPhase {
  return phase(`${when}-live`, 'heal', `${note}: all live sessions`, sweep(size, 'live', false));
}

function sweep(size: Size, as: SweepWorkload['as'], everyTarget: boolean): SweepWorkload {
  return {
    kind: 'sweep',
    as,
    everyTarget,
    ratePerSecond: size.sweepsPerSecond,
    operations: [as === 'live' ? check : probe],
  };
}

const redisPartition: PlatformFault = {
  name: 'redis-partition',
  at: { afterMs: 200 },
  fault: { kind: 'link', target: 'gateway->redis', rule: { kind: 'blackhole' } },
};
const postgresKill: PlatformFault = {
  name: 'postgres-kill',
  // `latestMs`, because the sample's design commits nothing at a logout.
  at: { afterMs: 200, commitInFlight: true, latestMs: 1_000 },
  fault: { kind: 'kill', target: 'postgres', signal: 'SIGKILL' },
  forMs: 800,
};
const gatewayKill: PlatformFault = {
  name: 'gateway-kill',
  at: { afterMs: 200, acknowledged: { operation: 'logout', lagMs: 20 } },
  fault: { kind: 'kill', target: 'gateway.2', signal: 'SIGKILL' },
  forMs: 500,
};
const redisKill: PlatformFault = {
  name: 'redis-kill',
  at: { afterMs: 200, acknowledged: { operation: 'logout', lagMs: 20 } },
  fault: { kind: 'kill', target: 'redis', signal: 'SIGKILL' },
  forMs: 600,
};

function arm(
  design: string,
  size: Size,
  expectations: Pick<Arm, 'expected' | 'mustFail' | 'mayFail'>,
): Arm {
  return defineArm({
    design,
    description: findDesign(design).summary,
    ...expectations,
    topology: topology(design, size),
    phases: phasesOf(size),
  });
}

const slos: readonly Slo[] = [
  {
    id: 'baseline-p99',
    objective: 'latency.p99 < 100ms',
    operations: ['check'],
    phases: ['baseline'],
  },
  {
    id: 'storm',
    // The goal is 1.2x (bench/login-storm.mjs); D-049 says what was measured and why it is not claimed.
    objective: 'latency.p99 <= 1.5x',
    // A p99 of some 550 samples is uncertain by 15 %, and a ratio of two by more.
    quickObjective: 'latency.p99 <= 2x',
    operations: ['check'],
    phases: ['login-storm'],
    baseline: 'baseline',
  },
  {
    id: 'partition-p99',
    objective: 'latency.p99 < 500ms',
    quickObjective: 'latency.p99 < 1s',
    operations: ['check'],
    phases: ['redis-partition'],
  },
  {
    id: 'partition-errors',
    objective: 'errors < 0.1%',
    quickObjective: 'errors < 1%',
    operations: ['check'],
    phases: ['redis-partition'],
  },
  {
    id: 'logout-errors',
    objective: 'errors < 5%',
    operations: ['logout'],
    phases: ['redis-partition'],
  },
  { id: 'liveness', objective: 'errors < 1%', operations: ['check'], phases: ['liveness'] },
  { id: 'errors', objective: 'errors < 0.1%', operations: ['check'] },
  { id: 'statements', objective: 'cost.statements <= 0.2' },
];

const invariants: readonly Invariant[] = [
  logoutFinal({ targets, finalSweep: 'final-ended' }),
  sessionsSurvive({ targets, finalSweep: 'final-ended' }),
  lifeCycleOnce,
];

const MAY_FAIL = ['baseline-p99', 'storm', 'partition-p99', 'partition-errors', 'logout-errors'];

function declare(size: Size): Declaration {
  return {
    arms: {
      before: arm('turn1.before', size, {
        expected: 'fail',
        // Every check reads and writes the database, so all checks fail while it is down.
        mustFail: ['statements', 'errors'],
        mayFail: MAY_FAIL,
      }),
      sample: arm('turn1.sample', size, {
        expected: 'fail',
        // Local caches outlive the logout; losing Redis logs everybody out; events are not recorded.
        mustFail: ['logout-final', 'sessions-survive', 'errors'],
        mayFail: [...MAY_FAIL, 'liveness', 'life-cycle'],
      }),
      after: arm('turn1.after', size, { expected: 'pass', mustFail: [] }),
    },
    slos,
    invariants,
    tolerance: { slowMs: 100, stableMs: size === QUICK ? 500 : 2_000 },
    costPhase: 'checks',
    scaleNote:
      size === QUICK
        ? `--quick runs ${QUICK.sessions.toLocaleString('en')} sessions instead of ${FULL.sessions.toLocaleString('en')} and divides every phase by ${QUICK.divisor}; faults and rates are the same. Three limits are coarser, because a p99 or a share of some 550 samples is: the login storm 2 times, and checks in the partition 1 s and 1 % errors.`
        : '',
  };
}

export const turn1 = defineScenario({
  id: 'turn1',
  turn: 1,
  title: 'Sessions while real processes die',
  question: 'Is a logout final at once and everywhere, and does everybody else stay logged in?',
  situation:
    'Users log in; we need to know if they are authenticated for subsequent requests. About 10,000 concurrent users. Redis and PostgreSQL will fail, and people log out meanwhile.',
  declare: ({ quick }) => declare(quick ? QUICK : FULL),
});
