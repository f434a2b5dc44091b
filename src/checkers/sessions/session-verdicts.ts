/**
 * Two invariants judged from one set of findings: a logout is final, and nobody is logged out who did not ask for it.
 * They are separate because designs violate them separately.
 */

import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import type { SessionFindings } from './check-sessions.ts';

/** Violations are requests accepted although their session had ended. */
export function judgeLogoutFinal(findings: SessionFindings): CheckResult {
  const { revoked, acceptedLate, lateWitness, notSeen } = findings;
  return {
    ...verdictOf(acceptedLate, notSeen),
    checked: findings.probesAfterRevoke,
    violations: acceptedLate,
    witness: lateWitness,
    figures: [
      count('sessions-revoked', 'sessions revoked', revoked),
      count('accepted-late', 'requests accepted after logout', acceptedLate),
      count(
        'sessions-resurrected',
        'sessions accepted again after a refusal',
        findings.resurrected,
      ),
      {
        id: 'revocation-lag',
        label: 'longest revocation lag',
        value: revoked === 0 ? null : findings.revocationLagUs,
        unit: 'us',
      },
    ],
  };
}

/** Violations are sessions refused although no revocation had been sent. */
export function judgeSessionsKept(findings: SessionFindings): CheckResult {
  const { sessions, lost, lostWitness, notSeen } = findings;
  return {
    ...verdictOf(lost, notSeen),
    checked: sessions,
    violations: lost,
    witness: lostWitness,
    figures: [count('sessions-lost', 'sessions lost', lost)],
  };
}

/** One violation is enough for fail; pass needs enough probes. */
function verdictOf(
  violations: number,
  notSeen: string | null,
): Pick<CheckResult, 'verdict' | 'reason'> {
  if (violations > 0) return { verdict: 'fail' };
  return notSeen === null ? { verdict: 'pass' } : { verdict: 'unknown', reason: notSeen };
}

function count(id: string, label: string, value: number): Figure {
  return { id, label, value, unit: 'count' };
}
