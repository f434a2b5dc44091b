/**
 * The kill matrix of the fields of a record: turn 3's requests on a real gateway with real stores, with a defect between
 * the gateway and the log or in the store. The invariant that a defect names must fail, and no other, but for those the
 * defect violates too.
 */
import { afterAll, describe, expect, it } from 'vitest';
import {
  type AuditFieldDefect,
  fieldDefects,
} from '../../services/gateway/fixtures/audit-field-defects.ts';
import { startAuditFieldsBed } from '../../services/gateway/fixtures/audit-fields-bed.ts';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import { auditFields } from '../invariants/audit-records.ts';
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
const mustHaveSeen = MUST_HAVE_SEEN.filter((field) => field !== 'service');
const fields = auditFields({ operations, rules, mustHaveSeen });

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
    const played = await playRequests(bed, operations, ROUNDS);
    await bed.settle();
    const history = [...played, ...(await readFacts(bed))];
    return { ...judgeAudit(history, actions), [fields.id]: fields.check(history).verdict };
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
