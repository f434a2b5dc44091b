/**
 * Requests that must never be accepted, whatever happens beside them: a forged token. Any other answer than an acceptance
 * is right, but only a definite refusal proves something.
 */
import type { OperationRecord } from '../../sim/history.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';

export interface RefusalsInput {
  readonly operations: readonly OperationRecord[];
  readonly what: string;
  /** Definite refusals needed on each of these processes. */
  readonly mustHaveSeen: { readonly targets: readonly string[]; readonly refused: number };
}

const WITNESS_LIMIT = 10;

export function checkRefusals({ operations, what, mustHaveSeen }: RefusalsInput): CheckResult {
  const accepted = operations.filter(({ outcome }) => outcome === 'ok');
  const refused = operations.filter(({ status }) => status === 401);
  const witness = accepted
    .slice(0, WITNESS_LIMIT)
    .map(({ body: _, ...operation }) => ({ violation: `accepted: ${what}`, ...operation }));
  const counts = {
    checked: accepted.length + refused.length,
    violations: accepted.length,
    witness,
  };
  if (accepted.length > 0) return { verdict: 'fail', ...counts };
  for (const target of mustHaveSeen.targets) {
    const seen = refused.filter((operation) => operation.target === target).length;
    if (seen >= mustHaveSeen.refused) continue;
    const reason = `${seen} of ${what} refused by ${target}, ${mustHaveSeen.refused} needed`;
    return { verdict: 'unknown', ...counts, reason };
  }
  return { verdict: 'pass', ...counts };
}
