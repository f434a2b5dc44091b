/**
 * The two invariants of a limit, from one set of findings: it is never exceeded, and nothing that fits is refused. They
 * are separate because designs break them separately.
 */

import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import type { WindowFindings } from './check-window.ts';

/** Violations are units admitted into windows that were full. */
export function windowIsExact(findings: WindowFindings): CheckResult {
  const { admitted, overAdmitted, maxRatio, overWitness, coverageGap } = findings;
  return {
    ...verdictOf(overAdmitted, coverageGap),
    checked: admitted,
    violations: overAdmitted,
    witness: overWitness,
    figures: [
      {
        id: 'worst-window',
        label: 'most admitted in one window, of its limit',
        value: admitted === 0 ? null : maxRatio,
        unit: 'times',
      },
      countFigure('over-admitted', 'admitted beyond the limit', overAdmitted),
    ],
  };
}

/** Violations are requests that were refused although they fitted. */
export function refusalsAreDue(findings: WindowFindings): CheckResult {
  const { refused, falseRefusals, falseWitness, coverageGap } = findings;
  return {
    ...verdictOf(falseRefusals, coverageGap ?? (refused === 0 ? 'nothing was refused' : null)),
    checked: refused,
    violations: falseRefusals,
    witness: falseWitness,
    figures: [
      countFigure('refused', 'requests refused', refused),
      countFigure('false-refusals', 'refused although they fitted', falseRefusals),
    ],
  };
}

/** A violation counts in any history; a pass needs one that covers enough. */
function verdictOf(
  violations: number,
  coverageGap: string | null,
): Pick<CheckResult, 'verdict' | 'reason'> {
  if (violations > 0) return { verdict: 'fail' };
  return coverageGap === null ? { verdict: 'pass' } : { verdict: 'unknown', reason: coverageGap };
}

function countFigure(id: string, label: string, value: number): Figure {
  return { id, label, value, unit: 'count' };
}
