/** What a checker returns; the scenario adds the invariant's id and statement. */
import type { InvariantResult } from '../../result.ts';

export type CheckResult = Omit<InvariantResult, 'id' | 'statement'>;

/**
 * The result of a check of `checked` facts: violations fail it; without any, a `gap` in what was seen makes it unknown and
 * is the reason.
 */
export const concludeCheck = ({
  gap,
  ...found
}: Omit<CheckResult, 'verdict' | 'reason'> & { readonly gap: string | null }): CheckResult => ({
  verdict: found.violations > 0 ? 'fail' : gap === null ? 'pass' : 'unknown',
  ...found,
  ...(gap === null ? {} : { reason: gap }),
});
