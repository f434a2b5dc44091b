/**
 * The kill matrix of the fields of a record: turn 3's requests on a real gateway with real stores, with a defect between
 * the gateway and the log or in the store. The invariant that a defect names must fail, and no other, but for those the
 * defect violates too.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { fieldDefects } from '../../services/gateway/audit/fixtures/audit-field-defects.ts';
import { startAuditFieldsBed } from '../../services/gateway/audit/fixtures/audit-fields-bed.ts';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import { auditFields } from '../invariants/audit-records.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import { MUST_HAVE_SEEN, operations, rules } from '../turn3-requests.ts';
import { createFieldsJudge } from './fixtures/audit-fields-judge.ts';
import { allPass, expectedVerdicts } from './fixtures/audit-verdicts.ts';

const ROUNDS = 12;
const stores = sharedStores('kill-matrix-fields');
const results: KillResult[] = [];

/** One process answers here. */
const mustHaveSeen = MUST_HAVE_SEEN.filter((field) => field !== 'service');
const fields = auditFields({ operations, rules, mustHaveSeen });
const judge = createFieldsJudge({
  start: startAuditFieldsBed,
  stores,
  operations,
  rounds: ROUNDS,
  invariants: [fields],
});

afterAll(() => {
  console.log(killMatrixText('audit, fields', results));
});

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
