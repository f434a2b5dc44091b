/**
 * The kill matrix of the fields of a record: turn 3's requests on a real gateway with real stores, with a defect between
 * the gateway and the log or in the store. The invariant that a defect names must fail, and no other, but for those the
 * defect violates too.
 */
import { afterAll, describe, expect, it } from 'vitest';
import {
  type AuditFieldDefect,
  fieldDefects,
} from '../../services/gateway/audit/fixtures/audit-field-defects.ts';
import { startAuditFieldsBed } from '../../services/gateway/audit/fixtures/audit-fields-bed.ts';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import type { OperationTemplate } from '../../sim/pure/load/workload.ts';
import { type AuditField, auditFields, type RecordRule } from '../invariants/audit-records.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import { actions, MUST_HAVE_SEEN, operations, rules } from '../turn3-requests.ts';
import { playRequests } from './fixtures/audit-fields-workload.ts';
import {
  allPass,
  expectedVerdicts,
  judgeAudit,
  readFacts,
  type Verdicts,
} from './fixtures/audit-verdicts.ts';

const ROUNDS = 12;
const stores = sharedStores('kill-matrix-fields');
const results: KillResult[] = [];
let schemas = 0;

/** One process answers here. */
const mustHaveSeen: readonly AuditField[] = [
  ...MUST_HAVE_SEEN.filter((field) => field !== 'service'),
  'changedTo',
];
/** Administrators set limits of their organisations, whose ids are theirs. */
const changes = [40, 50].map((limit) => ({ limit, mode: 'enforce' }));
const changeName = ({ limit }: { limit: number }) => `allow ${limit}`;
const played: readonly OperationTemplate[] = [
  ...operations,
  ...changes.map(
    (body): OperationTemplate => ({
      name: changeName(body),
      path: '/admin/rate-limits/organisation/{id}/user',
      method: 'PUT',
      weight: 1,
      group: 'administrators',
      body,
    }),
  ),
];
const resourceType = 'rate-limit';
const changeRules = changes.map((body): [string, RecordRule] => [
  changeName(body),
  { resourceType, changedTo: JSON.stringify(body) },
]);
const changeActions = changes.map((body) => [changeName(body), 'rate-limit.set']);
const playedActions = { ...actions, ...Object.fromEntries(changeActions) };
const fields = auditFields({
  operations: played,
  rules: { ...rules, ...Object.fromEntries(changeRules) },
  mustHaveSeen,
});

afterAll(() => {
  console.log(killMatrixText('audit, fields', results));
});

async function judge(planted: Pick<AuditFieldDefect, 'event' | 'prepare'>): Promise<Verdicts> {
  const given = {
    databaseUrl: stores.postgres.url,
    redisUrl: stores.redis.url,
    schema: `matrix${++schemas}`,
  };
  const bed = await startAuditFieldsBed(given, planted);
  try {
    const sent = await playRequests(bed, played, ROUNDS);
    await bed.settle();
    const history = [...sent, ...(await readFacts(bed))];
    return { ...judgeAudit(history, playedActions), [fields.id]: fields.check(history).verdict };
  } finally {
    await bed.stop();
  }
}

describe('without a defect', () => {
  it('passes', async () => {
    expect(await judge({})).toEqual({ ...allPass, [fields.id]: 'pass' });
  });
});

describe('planted defects', () => {
  it.each(fieldDefects)('$id: $what', async (defect) => {
    const found = await judge(defect);
    results.push({ ...defect, caught: found[defect.caughtBy] === 'fail' });
    expect(found).toEqual({ [fields.id]: 'pass', ...expectedVerdicts(defect) });
  });
});

it('is what a report says of it', () => {
  expect(countByCheck(results)).toEqual(PLANTED_DEFECTS['audit-fields']);
});
