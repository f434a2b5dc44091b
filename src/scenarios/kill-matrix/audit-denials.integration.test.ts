/**
 * The kill matrix of denials that are counted: turn 3's requests and those of strangers on a real gateway with real
 * stores, with a defect between the gateway and the log.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { denialDefects } from '../../services/gateway/audit/fixtures/audit-denial-defects.ts';
import { startAuditFieldsBed } from '../../services/gateway/audit/fixtures/audit-fields-bed.ts';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import { auditDenials } from '../invariants/audit-denials.ts';
import { auditFields } from '../invariants/audit-records.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import {
  countedOperations,
  denialOperations,
  denialRules,
  operations,
  rules,
} from '../turn3-requests.ts';
import { createFieldsJudge } from './fixtures/audit-fields-judge.ts';
import { allPass, expectedVerdicts } from './fixtures/audit-verdicts.ts';

/** More than the 30 failures a minute that an address may have. */
const ROUNDS = 40;
const stores = sharedStores('kill-matrix-denials');
const results: KillResult[] = [];

const denials = auditDenials({ rules: denialRules });
const fields = auditFields({ operations, rules, mustHaveSeen: [] });
const judge = createFieldsJudge({
  start: startAuditFieldsBed,
  stores,
  operations: [...operations, ...denialOperations],
  rounds: ROUNDS,
  counted: countedOperations,
  invariants: [fields, denials],
});
const passing = { [fields.id]: 'pass', [denials.id]: 'pass' } as const;

afterAll(() => {
  console.log(killMatrixText('audit, denials', results));
});

describe('without a defect', () => {
  it('passes: counted denials violate no other invariant', async () => {
    expect(await judge({})).toEqual({ ...allPass, ...passing });
  });
});

describe('planted defects', () => {
  it.each(denialDefects)('$id: $what', async (defect) => {
    const found = await judge(defect);
    results.push({ ...defect, caught: found[defect.caughtBy] === 'fail' });
    expect(found).toEqual({ ...passing, ...expectedVerdicts(defect) });
  });
});

it('is what a report says of it', () => {
  expect(countByCheck(results)).toEqual(PLANTED_DEFECTS['audit-denials']);
});
