/**
 * Logins. A correct password opens a session, or is refused with a reason that is not the password: a limit (429), or too
 * many logins at once (503 with Retry-After). A wrong password, an old one and one of a disabled account open none. Which
 * is which may be open while the password is being changed or the account disabled.
 */
import type { OperationRecord } from '../../sim/history.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';

export interface LoginAttempt {
  readonly operation: OperationRecord;
  readonly expected: 'accepted' | 'refused' | 'either';
}

export interface LoginsInput {
  readonly attempts: readonly LoginAttempt[];
  readonly mustHaveSeen: {
    /** Correct passwords accepted. */
    readonly accepted: number;
    /** Wrong ones refused. */
    readonly refused: number;
  };
}

const WITNESS_LIMIT = 10;
const LIMITED = 429;

export function checkLogins({ attempts, mustHaveSeen }: LoginsInput): CheckResult {
  const counts = { accepted: 0, refused: 0, busy: 0, unanswered: 0 };
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  for (const { operation, expected } of attempts) {
    const { outcome, status, sentUs } = operation;
    if (sentUs < 0) continue;
    const isRefused = outcome === 'fail' && status !== LIMITED;
    if (expected === 'accepted') {
      if (outcome === 'ok') counts.accepted += 1;
      else if (isBusy(operation)) counts.busy += 1;
      else if (!isRefused) counts.unanswered += 1;
    } else if (expected === 'refused' && isRefused) counts.refused += 1;
    const isWrong =
      (expected === 'accepted' && isRefused) || (expected === 'refused' && outcome === 'ok');
    if (!isWrong) continue;
    violations += 1;
    const { body: _, ...shown } = operation;
    const violation = isRefused ? 'a correct password was refused' : 'it should open no session';
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...shown });
  }
  return {
    ...verdictOf(violations, counts, mustHaveSeen),
    checked: counts.accepted + counts.refused + violations,
    violations,
    witness,
    figures: [
      {
        id: 'logins-accepted',
        label: 'correct passwords accepted',
        value: counts.accepted,
        unit: 'count',
      },
      {
        id: 'logins-busy',
        label: 'correct passwords refused with a reason',
        value: counts.busy,
        unit: 'count',
      },
      {
        id: 'logins-unanswered',
        label: 'correct passwords without an answer',
        value: counts.unanswered,
        unit: 'count',
      },
      {
        id: 'logins-refused',
        label: 'wrong passwords refused',
        value: counts.refused,
        unit: 'count',
      },
    ],
  };
}

/** The server says why, and when to come back. */
const isBusy = ({ status, headers }: OperationRecord) =>
  status === LIMITED || (status === 503 && headers?.['retry-after'] !== undefined);

function verdictOf(
  violations: number,
  counts: { accepted: number; refused: number },
  mustHaveSeen: LoginsInput['mustHaveSeen'],
): Pick<CheckResult, 'verdict' | 'reason'> {
  if (violations > 0) return { verdict: 'fail' };
  const { accepted, refused } = mustHaveSeen;
  if (counts.accepted < accepted)
    return {
      verdict: 'unknown',
      reason: `${counts.accepted} correct passwords were accepted, ${accepted} needed`,
    };
  if (counts.refused < refused)
    return {
      verdict: 'unknown',
      reason: `${counts.refused} wrong passwords were refused, ${refused} needed`,
    };
  return { verdict: 'pass' };
}
