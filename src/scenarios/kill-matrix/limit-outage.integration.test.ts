/**
 * The kill matrix of limits without their store: a real Redis is killed under load and comes back empty within one
 * window. Four members run the same load with the same defect; all defects run concurrently, each with its own keys.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, it } from 'vitest';
import { ownRedis } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import { countByCheck, killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import { degradedBounded } from '../invariants/limit-invariants.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import {
  correctRules,
  OutageMember,
  type OutageRules,
  outage,
  outageDefects,
} from './fixtures/limit-outage.ts';
import { LimitWorkload } from './fixtures/limit-workload.ts';

const DOWN_MS = 1_500;
const FAULT = 'redis-killed';
const server = ownRedis('kill-outage');
const answers = new Map<string, CheckResult>();

const invariant = degradedBounded({
  operations: ['read'],
  subjectOf: (operation) => operation.user,
  limit: outage.limit,
  windowMs: outage.windowMs,
  faults: [FAULT],
  credentials: ['login'],
  targets: Array.from({ length: outage.members }, (_, index) => `gateway.${index + 1}`),
  maxRecoveryMs: 2 * outage.windowMs,
});

interface OutageRun {
  readonly id: string;
  readonly workload: LimitWorkload;
  readonly members: readonly OutageMember[];
  readonly connections: readonly Redis[];
}

function startRun(id: string, rules: OutageRules): OutageRun {
  const connections = Array.from({ length: outage.members }, () => {
    const redis = new Redis(server.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => 30,
    });
    return redis.on('error', () => {});
  });
  const members = connections.map(
    (redis, index) => new OutageMember({ redis, prefix: `${id}:`, index, rules }),
  );
  return { id, workload: new LimitWorkload(members, 1), members, connections };
}

/** Calls at three times the limit; every fourth call is followed by a login, to the members in turn. */
async function runLoad({ workload, members }: OutageRun, until: () => boolean): Promise<void> {
  const gapMs = outage.windowMs / (3 * outage.limit);
  const calls: Promise<unknown>[] = [];
  for (let index = 0; !until(); index += 1) {
    calls.push(workload.call({ name: 'read', subject: 'u1', weight: 1 }));
    const target = members[(index / 4) % members.length];
    if (index % 4 === 0)
      calls.push(workload.call({ name: 'login', subject: `l${index % 7}`, weight: 1 }, target));
    await delay(gapMs);
  }
  await Promise.all(calls);
}

beforeAll(async () => {
  const all = [
    startRun('sound', correctRules),
    ...outageDefects.map(({ id, rules }) => startRun(id, { ...correctRules, ...rules })),
  ];
  await Promise.all(all.flatMap(({ connections }) => connections.map((redis) => redis.connect())));
  let isOver = false;
  const loads = all.map((one) => runLoad(one, () => isOver));
  const recordFault = (event: 'apply' | 'landed' | 'undo' | 'healed') => {
    for (const { workload } of all)
      workload.records.push({ kind: 'fault', name: FAULT, event, atUs: workload.nowUs() });
  };
  await delay(1_500);
  recordFault('apply');
  await server.kill();
  recordFault('landed');
  await delay(200);
  await server.startAgain();
  recordFault('healed');
  await delay(DOWN_MS + 2 * outage.windowMs);
  isOver = true;
  await Promise.all(loads);
  for (const { connections } of all) for (const redis of connections) redis.disconnect();
  for (const { id, workload } of all) answers.set(id, invariant.check(byTime(workload.records)));
}, 40_000);

const byTime = (records: readonly HistoryRecord[]) =>
  records.filter((record) => record.kind !== 'fault' || record.name === FAULT);

describe('a store that is killed and comes back empty', () => {
  it('passes without a defect', () => {
    const { verdict, reason, witness } = answers.get('sound')!;
    expect({ verdict, reason, witness }).toEqual({ verdict: 'pass', witness: [] });
  });

  it('catches every defect', () => {
    const results = outageDefects.map((defect) => {
      const { verdict } = answers.get(defect.id)!;
      return { ...defect, caught: verdict === 'fail' };
    });
    console.log(killMatrixText('limits without their store', results));
    for (const { id } of outageDefects) {
      const { verdict, reason } = answers.get(id)!;
      expect({ id, verdict, reason }).toMatchObject({ id, verdict: 'fail' });
    }
    expect(countByCheck(results)).toEqual(PLANTED_DEFECTS['limit-outage']);
  });
});
