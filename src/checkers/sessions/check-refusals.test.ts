import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { checkRefusals } from './check-refusals.ts';

const targets = ['gateway.1', 'gateway.2'];
const refused = { outcome: 'fail', status: 401 } as const;
const check = (operations: readonly OperationRecord[]) =>
  checkRefusals({ operations, what: 'forged tokens', mustHaveSeen: { targets, refused: 1 } });
const enough = targets.map((target, id) => operation(id, { target, ...refused }));

describe('checkRefusals', () => {
  it('passes when each process refused enough', () => {
    expect(check(enough)).toMatchObject({ verdict: 'pass', checked: 2, violations: 0 });
  });

  it('fails on one that was accepted, and shows it without its body', () => {
    const accepted = operation(9, { target: targets[0]!, body: 'secret' });
    const answer = check([...enough, accepted]);
    expect(answer).toMatchObject({ verdict: 'fail', violations: 1 });
    expect(answer.witness).toMatchObject([{ id: 9 }]);
    expect(answer.witness[0]).not.toHaveProperty('body');
  });

  it('is unknown when a process refused none: no answer and a limit prove nothing', () => {
    for (const status of [0, 429, 503])
      expect(
        check([enough[0]!, operation(3, { target: targets[1]!, outcome: 'unknown', status })]),
      ).toMatchObject({ verdict: 'unknown', reason: expect.stringContaining('gateway.2') });
    expect(check([]).verdict).toBe('unknown');
  });
});
