/**
 * The two promises of a limit, answered from one set of findings: it is never exceeded, and nothing is refused
 * without need. They are separate because designs break them separately.
 */
import type { Figure, InvariantResult } from '../../sim/result.ts';
import type { WindowFindings } from './check-window.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;

/** Violations are units admitted into windows that were full. */
export function windowIsExact(findings: WindowFindings): Answer {
  const { admitted, overAdmitted, worstRatio, overWitness, notSeen } = findings;
  return {
    ...verdictOf(overAdmitted, notSeen),
    checked: admitted,
    violations: overAdmitted,
    witness: overWitness,
    figures: [
      {
        id: 'worst-window',
        label: 'most admitted in one window, of its limit',
        value: admitted === 0 ? null : worstRatio,
        unit: 'times',
      },
      count('over-admitted', 'admitted beyond the limit', overAdmitted),
    ],
  };
}

/** Violations are requests that were refused although they fitted. */
export function refusalsAreDue(findings: WindowFindings): Answer {
  const { refused, falseRefusals, falseWitness, notSeen } = findings;
  return {
    ...verdictOf(falseRefusals, notSeen ?? (refused === 0 ? 'nothing was refused' : null)),
    checked: refused,
    violations: falseRefusals,
    witness: falseWitness,
    figures: [
      count('refused', 'requests refused', refused),
      count('false-refusals', 'refused although they fitted', falseRefusals),
    ],
  };
}

/** A violation is a fact however little was seen; holding needs enough to have been seen. */
function verdictOf(violations: number, notSeen: string | null): Pick<Answer, 'verdict' | 'reason'> {
  if (violations > 0) return { verdict: 'fail' };
  return notSeen === null ? { verdict: 'pass' } : { verdict: 'unknown', reason: notSeen };
}

function count(id: string, label: string, value: number): Figure {
  return { id, label, value, unit: 'count' };
}
