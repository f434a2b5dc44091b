/**
 * Turn 1. "Users log in; we need to know if they are authenticated for subsequent requests. About 10,000
 * concurrent users."
 *
 * Every arm runs the same phases: ordinary load, a login storm, Redis partitioned while users log out and then back with
 * its old data, PostgreSQL killed while a COMMIT is in flight, a gateway killed right after an acknowledged logout, Redis
 * killed and restarted empty. Afterwards every ended session is probed on every gateway, and every live one once.
 */
import { findDesign } from '../services/lineage.ts';
import type { SweepWorkload } from '../sim/pure/load/workload.ts';
import type { Arm, Declaration, Invariant } from '../sim/scenario.ts';
import { defineArm } from './define.ts';
import { definePlatformScenario } from './define-platform.ts';
import {
  forgedRefused,
  lifeCycleOnce,
  loginsHonest,
  logoutFinal,
  sessionsSurvive,
  sessionsTimeOut,
} from './invariants/session-invariants.ts';
import { TURN1_NOTICED, withNoticing } from './noticed-faults.ts';
import { type PlatformFault, type PlatformPhase, platformTopology } from './platform-topology.ts';
import { accountGroups, type Population, populations, usersOf } from './turn1-accounts.ts';
import {
  check,
  endingVerbs,
  expiring,
  LOGINS_PER_SECOND,
  login,
  mixedLoad,
  openLoad,
  probe,
  renewAged,
} from './turn1-requests.ts';
import { slos } from './turn1-slos.ts';

const GATEWAYS = 4;
const targets = Array.from({ length: GATEWAYS }, (_, index) => `gateway.${index + 1}`);

interface Size {
  readonly population: Population;
  /** Correct passwords that must have been accepted. */
  readonly logins: number;
  /** Phase durations are divided by this. */
  readonly divisor: number;
  readonly logoutsPerSecond: number;
  readonly sweepsPerSecond: number;
  /** The first sweep meets cold processes: `before` cannot serve more. */
  readonly warmupsPerSecond: number;
}
const FULL: Size = {
  population: populations.full,
  logins: 20,
  divisor: 1,
  logoutsPerSecond: 85,
  sweepsPerSecond: 800,
  warmupsPerSecond: 500,
};
const QUICK: Size = {
  population: populations.quick,
  logins: 3,
  divisor: 8,
  logoutsPerSecond: 50,
  sweepsPerSecond: 700,
  warmupsPerSecond: 500,
};

const topology = (design: string, { population }: Size) =>
  platformTopology({
    design,
    // One template for all three arms: they start from the same tables.
    template: { design: 'turn1.before', users: usersOf(FULL.population) },
    accounts: { groups: accountGroups(population) },
    gateways: GATEWAYS,
    proxied: ['gateway->redis', 'gateway->postgres'],
  });

function phasesOf(size: Size): readonly PlatformPhase[] {
  const ms = (full: number) => Math.round(full / size.divisor);
  type Mix = Parameters<typeof mixedLoad>[1];
  const mixed = (full: number, passwords: Mix['passwords'], more: Partial<Mix> = {}) => {
    const logoutsPerSecond = size.logoutsPerSecond / 5;
    return mixedLoad(ms(full), { logoutsPerSecond, passwords, ...more });
  };
  const faultPhase = (fault: PlatformFault, note: string, load: PlatformPhase['load']) => ({
    ...judgedPhase(fault.name, 'fault', note, load),
    faults: [fault],
  });
  const ordinary = [check, login, renewAged, ...expiring];
  const warmUpSweep = { ...sweep(size, 'live', false), ratePerSecond: size.warmupsPerSecond };
  return [
    phase('warm-up', 'warm-up', 'everybody once: connections and caches fill', warmUpSweep),
    judgedPhase(
      'checks',
      'load',
      'session checks alone: what one costs',
      openLoad(ms(7_000), [check]),
    ),
    judgedPhase('baseline', 'baseline', 'ordinary load', openLoad(ms(14_000), ordinary)),
    judgedPhase(
      'login-storm',
      'load',
      'twenty times the logins',
      openLoad(ms(14_000), [
        check,
        { ...login, weight: 20 * LOGINS_PER_SECOND },
        renewAged,
        ...expiring,
      ]),
    ),
    faultPhase(
      redisPartition,
      'no gateway reaches Redis while people log out',
      mixed(14_000, ['change', 'login'], { logoutsPerSecond: size.logoutsPerSecond }),
    ),
    endedSweep(size, 'healed', 'Redis is back with its old data'),
    faultPhase(
      gatewayKill,
      'kill -9 right after an acknowledged logout, restarted',
      mixed(12_000, ['change', 'disabled', 'changed']),
    ),
    // First fill Redis again, so that the next phase shows what a design does with it while PostgreSQL is down.
    liveSweep(size, 'healed', 'everything is back'),
    faultPhase(
      postgresKill,
      'kill -9 while a COMMIT is in flight, restarted',
      mixed(14_000, ['wrong'], { renewals: false }),
    ),
    faultPhase(redisKill, 'kill -9, restarted empty', mixed(10_000, ['change', 'changed'])),
    judgedPhase(
      'liveness',
      'liveness',
      'everything is back',
      mixed(10_000, ['login', 'outdated', 'disabled', 'wrong']),
    ),
    endedSweep(size, 'final', 'after everything'),
    liveSweep(size, 'final', 'after everything'),
  ];
}

const phase = (
  name: string,
  role: PlatformPhase['role'],
  note: string,
  load: PlatformPhase['load'],
): PlatformPhase => ({ name, role, note, judged: false, load });

const judgedPhase = (...given: Parameters<typeof phase>): PlatformPhase => ({
  ...phase(...given),
  judged: true,
});

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
    phases: withNoticing(phasesOf(size), TURN1_NOTICED),
  });
}

const swept = { targets, finalSweep: 'final-ended' };
const invariantsOf = ({ logins }: Size): readonly Invariant[] => [
  logoutFinal({ ...swept, verbs: endingVerbs }),
  sessionsSurvive(swept),
  sessionsTimeOut('idle', { ...swept, copied: 3 }),
  sessionsTimeOut('absolute', swept),
  forgedRefused(swept),
  loginsHonest({ accepted: logins, refused: 1 }),
  lifeCycleOnce,
];

const MAY_FAIL = ['baseline-p99', 'storm', 'partition-p99', 'partition-errors', 'logout-errors'];

function declare(size: Size): Declaration {
  return {
    arms: {
      before: arm('turn1.before', size, {
        expected: 'fail',
        // Every check reads and writes the database, so all checks fail while it is down.
        mustFail: ['statements', 'statement-each', 'errors'],
        mayFail: MAY_FAIL,
      }),
      sample: arm('turn1.sample', size, {
        expected: 'fail',
        // Local caches outlive the logout; losing Redis logs everybody out; events are not recorded.
        // Only the TTL from login ends a session.
        mustFail: ['logout-final', 'sessions-survive', 'idle-timeout', 'errors'],
        mayFail: [...MAY_FAIL, 'liveness', 'life-cycle'],
      }),
      after: arm('turn1.after', size, { expected: 'pass', mustFail: [] }),
    },
    slos,
    invariants: invariantsOf(size),
    tolerance: { slowMs: 100, stableMs: size === QUICK ? 500 : 2_000 },
    costPhase: 'checks',
    scaleNote:
      size === QUICK
        ? `--quick runs ${QUICK.population.people.toLocaleString('en')} sessions instead of ${FULL.population.people.toLocaleString('en')} and divides every phase by ${QUICK.divisor}; faults and rates are the same. Three objectives are coarser, because a p99 or a share of some 550 samples is: the login storm 2 times at p95, and checks in the partition 1 s and 1 % errors.`
        : '',
  };
}

export const turn1 = definePlatformScenario({
  id: 'turn1',
  turn: 1,
  title: 'Sessions while real processes die',
  question: 'Is a logout final at once and everywhere, and does everybody else stay logged in?',
  situation:
    'Users log in; we need to know if they are authenticated for subsequent requests. About 10,000 concurrent users. Redis and PostgreSQL will fail, and people log out meanwhile.',
  declare: ({ quick }) => declare(quick ? QUICK : FULL),
});
