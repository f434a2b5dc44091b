import { expect, it } from 'vitest';
import type { OperationRecord } from '../../history.ts';
import { checkInvariant } from './check-invariant.ts';
import { checkMachineLimits, NO_FREE_USER } from './machine-limits.ts';

const failed = (error: string, sentUs = -1) =>
  ({ kind: 'op', error, sentUs, outcome: 'fail' }) as OperationRecord;

it.each([
  ['EMFILE', /^2 requests met the limit of the generator's file descriptors \(ulimit -n\)$/],
  ['EADDRNOTAVAIL', /client ports/],
  ['ENFILE', /file-max/],
  ['ENOBUFS', /socket buffers/],
  ['ENOMEM', /memory/],
  [NO_FREE_USER, /k6's virtual users \(maxVUs\)$/],
])('%s before the send is a limit with a name: the verdict is unknown', (error, name) => {
  const [check] = checkMachineLimits([failed(error), failed('ECONNREFUSED'), failed(error)], []);
  expect(check).toMatchObject({ id: 'machine-limits', ok: false, severity: 'unknown' });
  expect(check?.measured).toMatch(name);
});

it('a failure of the service is none, and neither is the word in an answer', () => {
  expect(checkMachineLimits([failed('ECONNREFUSED'), failed('EMFILE', 5)], [])).toEqual([]);
  expect(checkMachineLimits([failed('toString')], [])).toEqual([]);
});

it('names processes that ended by a limit first', () => {
  const limits = [
    { what: 'redis was killed by the kernel, out of memory (OOM)', isGenerator: false },
  ];
  const [check] = checkMachineLimits([failed('EMFILE')], limits);
  expect(check?.measured).toMatch(/^redis was killed by the kernel.*; 1 requests met/);
});

it('judges no invariant on a history that lost its end with the generator', () => {
  const invariant = {
    id: 'audit-once',
    statement: 'each once',
    check: () => ({ verdict: 'fail', checked: 3, violations: 1, witness: [] }) as const,
  };
  const what = 'the load generator: sender was killed';
  expect(checkInvariant(invariant, [], [{ what, isGenerator: true }])).toMatchObject({
    verdict: 'unknown',
    violations: 0,
    reason: `the history is not whole: ${what}`,
  });
  expect(checkInvariant(invariant, [], [{ what, isGenerator: false }]).verdict).toBe('fail');
});
