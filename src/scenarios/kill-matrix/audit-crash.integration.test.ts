/**
 * The kill matrix of the audit log in a real gateway process that is killed during its commits. The defects show in what
 * was answered and not yet written, so nothing else may delay the process. The other defects are in
 * audit.integration.test.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type AuditDefect,
  auditDefects,
} from '../../services/gateway/audit/fixtures/audit-defects.ts';
import {
  type AuditGateway,
  startAuditGateway,
} from '../../services/gateway/audit/fixtures/audit-gateway.ts';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import {
  actionNames,
  allPass,
  expectedVerdicts,
  judgeAudit,
  readFacts,
  type Verdicts,
} from './fixtures/audit-verdicts.ts';
import { AuditWorkload } from './fixtures/audit-workload.ts';

const { postgres, redis } = ownStores('kill-matrix-crash');
const gatewayActions = { ...actionNames, read: 'user.read' };
const results: KillResult[] = [];
let schemas = 0;

afterAll(() => {
  console.log(killMatrixText('audit, crash', results));
});

/** Delays commits, kills the gateway and Redis meanwhile, and starts them again. */
const crashOf = (gateway: AuditGateway) => ({
  name: 'crash',
  async apply() {
    const releaseCommits = await gateway.holdCommits();
    await delay(300);
    await Promise.all([gateway.kill(), redis.kill()]);
    await releaseCommits();
  },
  async undo() {
    await redis.startAgain();
    await gateway.startAgain();
  },
});

async function inGateway({ plant }: Pick<AuditDefect, 'plant'>): Promise<Verdicts> {
  const schema = `matrix${++schemas}`;
  const stores = { databaseUrl: postgres.url, redisUrl: redis.url, schema };
  const gateway = await startAuditGateway({ ...stores, plant });
  try {
    const workload = new AuditWorkload(gateway);
    await workload.run(120);
    await workload.runWithFault(crashOf(gateway), 400);
    await workload.run(120);
    await gateway.settle();
    expect(workload.history.some((one) => one.kind === 'op' && one.status === 0)).toBe(true);
    return judgeAudit([...workload.history, ...(await readFacts(gateway))], gatewayActions);
  } finally {
    await gateway.stop();
  }
}

it('passes without a defect', async () => {
  expect(await inGateway({})).toEqual(allPass);
});

describe('planted defects', () => {
  it.each(auditDefects.filter(({ under }) => under === 'crash'))('$id: $what', async (defect) => {
    const found = await inGateway(defect);
    results.push({ ...defect, caught: found[defect.caughtBy] === 'fail' });
    expect(found).toEqual(expectedVerdicts(defect));
  });
});

it('is what a report says of it', () => {
  expect(countByCheck(results)).toEqual(PLANTED_DEFECTS['audit-crash']);
});
