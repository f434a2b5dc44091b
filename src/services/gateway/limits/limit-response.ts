/**
 * The problem of a refused request, of a type that the RateLimit draft registers, with the policies that refused; and
 * the evidence of a decision for the load's history. Pure.
 */
import { ServiceError } from '../../ports.ts';
import type { Decision } from '../../rate-limit/contract.ts';

const PROBLEM_TYPES = 'https://iana.org/assignments/http-problem-types';
/** The limiter tries to reconnect to Redis several times a second. */
const CLOSED_RETRY_SECONDS = 1;

const refusingPolicies = ({ levels }: Decision): readonly string[] =>
  levels.filter(({ admitted, shadow }) => !admitted && !shadow).map(({ policy }) => policy);

/** Null when it was admitted. */
export function refusalOf(decision: Decision): ServiceError | null {
  if (decision.admitted) return null;
  const policies = refusingPolicies(decision);
  const members = policies.length === 0 ? {} : { 'violated-policies': policies };
  if (decision.mode === 'closed') {
    return new ServiceError({
      status: 503,
      code: 'rate-limit-unavailable',
      detail:
        'Limits cannot be enforced right now, and this request needs them. Try again shortly.',
      registered: {
        type: `${PROBLEM_TYPES}#temporary-reduced-capacity`,
        title: 'Request cannot be satisfied due to temporary server capacity constraints',
      },
      headers: { 'retry-after': String(CLOSED_RETRY_SECONDS) },
    });
  }
  return new ServiceError({
    status: 429,
    code: 'rate-limited',
    detail: `Refused by ${policies.join(' and ')}. RateLimit-Policy says how much is allowed, Retry-After when to ask again.`,
    registered: {
      type: `${PROBLEM_TYPES}#quota-exceeded`,
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
    },
    members,
  });
}

/** For the load's history: the decision, its time and duration in microseconds, its mode, the policies that refused. */
export const evidenceOf = (decision: Decision, tookUs: number): string =>
  [
    `at=${decision.atUs}`,
    `took=${Math.round(tookUs)}`,
    `admitted=${decision.admitted ? 1 : 0}`,
    `mode=${decision.mode}`,
    `by=${refusingPolicies(decision).join(',')}`,
  ].join(';');
