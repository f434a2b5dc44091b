/**
 * The kill matrix of limits without their store: a real Redis is killed under load and comes back empty within one
 * window. Four members play the same load with the same defect; all defects beside each other, with keys of their own.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, it } from 'vitest';
import { ownRedis } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import { killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import type { InvariantResult } from '../../sim/result.ts';
import { degradedBounded } from '../limit-invariants.ts';
import {
  OutageMember,
  type OutageRules,
  outage,
  outageDefects,
  soundRules,
} from './fixtures/limit-outage.ts';
import { LimitPlay } from './fixtures/limit-play.ts';

const DOWN_MS = 1_500;
const FAULT = 'redis-killed';
const server = ownRedis('kill-outage');
const answers = new Map<string, Omit<InvariantResult, 'id' | 'statement'>>();

const invariant = degradedBounded({
  ...{ operations: ['read'], subjectOf: (operation) => operation.user, limit: outage.limit },
  ...{ windowMs: outage.windowMs, faults: [FAULT], credentials: ['login'] },
  targets: Array.from({ length: outage.members }, (_, index) => `gateway.${index + 1}`),
  backWithinMs: 2 * outage.windowMs,
});

interface Playing {
  readonly id: string;
  readonly play: LimitPlay;
  readonly members: readonly OutageMember[];
  readonly connections: readonly Redis[];
}

function join(id: string, rules: OutageRules): Playing {
  const connections = Array.from({ length: outage.members }, () => {
    const redis = new Redis(server.url, {
      ...{ lazyConnect: true, enableOfflineQueue: false, autoResendUnfulfilledCommands: false },
      retryStrategy: () => 30,
    });
    return redis.on('error', () => {});
  });
  const members = connections.map(
    (redis, index) => new OutageMember({ redis, prefix: `${id}:`, index, rules }),
  );
  return { id, play: new LimitPlay(members, 1), members, connections };
}

/** Everybody asks all the time at three times the limit; each member sees a login now and then. */
async function load({ play, members }: Playing, until: () => boolean): Promise<void> {
  const gapMs = outage.windowMs / (3 * outage.limit);
  const asked: Promise<unknown>[] = [];
  for (let index = 0; !until(); index += 1) {
    asked.push(play.ask({ name: 'read', subject: 'u1', weight: 1 }));
    const target = members[(index / 4) % members.length];
    if (index % 4 === 0)
      asked.push(play.ask({ name: 'login', subject: `l${index % 7}`, weight: 1 }, target));
    await delay(gapMs);
  }
  await Promise.all(asked);
}

beforeAll(async () => {
  const all = [
    join('sound', soundRules),
    ...outageDefects.map(({ id, rules }) => join(id, { ...soundRules, ...rules })),
  ];
  await Promise.all(all.flatMap(({ connections }) => connections.map((redis) => redis.connect())));
  let over = false;
  const loads = all.map((one) => load(one, () => over));
  const mark = (event: 'apply' | 'landed' | 'undo' | 'healed') => {
    for (const { play } of all)
      play.records.push({ kind: 'fault', name: FAULT, event, atUs: play.nowUs() });
  };
  await delay(1_500);
  mark('apply');
  await server.kill();
  mark('landed');
  await delay(200);
  await server.startAgain();
  mark('healed');
  await delay(DOWN_MS + 2 * outage.windowMs);
  over = true;
  await Promise.all(loads);
  for (const { connections } of all) for (const redis of connections) redis.disconnect();
  for (const { id, play } of all) answers.set(id, invariant.check(byTime(play.records)));
}, 40_000);

const byTime = (records: readonly HistoryRecord[]) =>
  records.filter((record) => record.kind !== 'fault' || record.name === FAULT);

describe('a store that is killed and comes back empty', () => {
  it('is survived by a limiter that is right', () => {
    const { verdict, reason, witness } = answers.get('sound')!;
    expect({ verdict, reason, witness }).toMatchObject({ verdict: 'pass', witness: [] });
  });

  it('shows every defect', () => {
    const results = outageDefects.map((defect) => {
      const { verdict } = answers.get(defect.id)!;
      return { ...defect, caught: verdict === 'fail' };
    });
    console.log(killMatrixText('limits without their store', results));
    for (const { id } of outageDefects) {
      const { verdict, reason } = answers.get(id)!;
      expect({ id, verdict, reason }).toMatchObject({ id, verdict: 'fail' });
    }
  });
});
