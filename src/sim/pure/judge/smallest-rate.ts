/**
 * How rare a defect a check without violations may have missed: by the rule of three, a defect of `count` independent
 * observations at a rate above 3 / count would have been seen at least once with a probability of 95 %. Null: something
 * was seen, or nothing was looked at, so the rule says nothing.
 */
import type { Figure } from '../../result.ts';

const RULE_OF_THREE = 3;

export function smallestRateSeen(count: number, violations: number): number | null {
  if (violations > 0 || count === 0) return null;
  return Math.min(1, RULE_OF_THREE / count);
}

/** `what`: of what the rate is, `lost records`. */
export const smallestRateFigure = (
  id: string,
  what: string,
  { checked, violations }: { readonly checked: number; readonly violations: number },
): Figure => ({
  id,
  label: `detectable rate of ${what} (95 %)`,
  value: smallestRateSeen(checked, violations),
  unit: 'ratio',
});
