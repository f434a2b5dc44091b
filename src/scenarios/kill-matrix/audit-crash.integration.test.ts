/**
 * The kill matrix of the audit log, in a real gateway process that is killed in the middle of its commits: what was planted
 * shows by what was answered and not yet written, so nothing else may hold the process up. The other defects are in
 * audit.integration.test.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { type AuditDefect, auditDefects } from '../../services/gateway/fixtures/audit-defects.ts';
import {
  type AuditGateway,
  startAuditGateway,
} from '../../services/gateway/fixtures/audit-gateway.ts';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { type KillResult, killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import {
  bedActions,
  effectsOf,
  expectedOf,
  green,
  judged,
  type Verdicts,
} from './fixtures/audit-judgement.ts';
import { AuditPlay } from './fixtures/audit-play.ts';

const { postgres, redis } = ownStores('kill-matrix-crash');
const gatewayActions = { ...bedActions, read: 'user.read' };
const results: KillResult[] = [];
let schemas = 0;

afterAll(() => {
  console.log(killMatrixText('audit, crash', results));
});

/** Commits are held up for a moment; gateway and Redis are killed in it, and come back. */
const crashOf = (gateway: AuditGateway) => ({
  name: 'crash',
  async begin() {
    const letGo = await gateway.holdCommits();
    await delay(300);
    await Promise.all([gateway.kill(), redis.kill()]);
    await letGo();
  },
  async end() {
    await redis.startAgain();
    await gateway.startAgain();
  },
});

async function inGateway({ plant }: Pick<AuditDefect, 'plant'>): Promise<Verdicts> {
  const schema = `matrix${++schemas}`;
  const stores = { databaseUrl: postgres.url, redisUrl: redis.url, schema };
  const gateway = await startAuditGateway({ ...stores, plant });
  try {
    const play = new AuditPlay(gateway);
    await play.run(120);
    await play.through(crashOf(gateway), 400);
    await play.run(120);
    await gateway.settle();
    expect(play.history.some((one) => one.kind === 'op' && one.status === 0)).toBe(true);
    return judged([...play.history, ...(await effectsOf(gateway))], gatewayActions);
  } finally {
    await gateway.stop();
  }
}

it('the audit log as it is passes', async () => {
  expect(await inGateway({})).toEqual(green);
});

describe('planted defects', () => {
  it.each(auditDefects.filter(({ under }) => under === 'crash'))('$id: $what', async (defect) => {
    const found = await inGateway(defect);
    results.push({ ...defect, caught: found[defect.caughtBy] === 'fail' });
    expect(found).toEqual(expectedOf(defect));
  });
});
