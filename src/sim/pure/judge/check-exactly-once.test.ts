import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FactRecord, OperationRecord } from '../../history.ts';
import { factOf, operation } from '../fixtures/records.ts';
import { checkExactlyOnce } from './check-exactly-once.ts';

const operations = Array.from({ length: 50 }, (_, id) => operation(id));
const facts = operations.map((cause) => factOf(cause));

describe('checkExactlyOnce', () => {
  it('passes when every acknowledged operation has its one effect', () => {
    expect(checkExactlyOnce({ operations, facts })).toMatchObject({
      verdict: 'pass',
      checked: 50,
      violations: 0,
      witness: [],
    });
  });

  it('is unknown when nothing was acknowledged: no data never passes', () => {
    expect(checkExactlyOnce({ operations: [], facts: [] }).verdict).toBe('unknown');
    const refused = [operation(1, { outcome: 'fail', status: 429 })];
    expect(checkExactlyOnce({ operations: refused, facts: [] }).verdict).toBe('unknown');
  });

  it('lets an unknown outcome have its effect or not', () => {
    const timedOut = operation(99, { outcome: 'unknown', status: 0 });
    for (const extra of [[], [factOf(timedOut)]]) {
      const answer = checkExactlyOnce({
        operations: [...operations, timedOut],
        facts: [...facts, ...extra],
      });
      expect(answer.verdict).toBe('pass');
    }
  });

  it('allows a refused operation to be audited as a denial, once', () => {
    const denied = operation(99, { outcome: 'fail', status: 403 });
    const once = checkExactlyOnce({
      operations: [...operations, denied],
      facts: [...facts, factOf(denied)],
    });
    expect(once.verdict).toBe('pass');
  });

  const neverSent = operation(98, { outcome: 'fail', sentUs: -1, error: 'never sent' });
  const denied = operation(97, { outcome: 'fail', status: 403 });
  const planted: [string, RegExp, OperationRecord[], FactRecord[]][] = [
    ['a dropped row', /^lost/, operations, facts.slice(1)],
    ['a row written twice', /^duplicate/, operations, [...facts, facts[7]!]],
    ['a row of no operation', /^phantom/, operations, [...facts, factOf(operation(777))]],
    [
      'a row of an operation that never left',
      /^phantom/,
      [...operations, neverSent],
      [...facts, factOf(neverSent)],
    ],
    [
      'a denial written twice',
      /^duplicate/,
      [...operations, denied],
      [...facts, factOf(denied), factOf(denied)],
    ],
    [
      'a row under another user',
      /^misattributed/,
      operations,
      [factOf(operations[0]!, { user: 'u2' }), ...facts.slice(1)],
    ],
  ];
  it.each(planted)('catches %s', (_, violation, ops, rows) => {
    const answer = checkExactlyOnce({ operations: ops, facts: rows });
    expect(answer.verdict).toBe('fail');
    expect(answer.violations).toBe(1);
    expect(answer.witness[0]?.violation).toMatch(violation);
  });

  it('counts every loss but shows at most 10', () => {
    const answer = checkExactlyOnce({ operations, facts: [] });
    expect(answer.violations).toBe(50);
    expect(answer.witness).toHaveLength(10);
  });

  it('finds exactly the rows that are missing, wherever they are', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(49)), (missing) => {
        const kept = facts.filter((_, index) => !missing.includes(index));
        expect(checkExactlyOnce({ operations, facts: kept }).violations).toBe(missing.length);
      }),
    );
  });
});
