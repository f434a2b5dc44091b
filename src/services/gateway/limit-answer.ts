/**
 * What a limited request is told: the draft's header fields on every answer, and when it is refused a problem of the
 * draft's types that names the policies. Never more than was decided: a quota reduced for want of Redis is told as
 * reduced. Pure.
 */
import { ServiceError } from '../ports.ts';
import type { Decision } from '../rate-limit/contract.ts';

const types = 'https://iana.org/assignments/http-problem-types';
/** Redis is looked for again several times a second; this is when it is worth asking again. */
const closedRetrySeconds = 1;

const refusedBy = ({ levels }: Decision): readonly string[] =>
  levels.filter(({ admitted, shadow }) => !admitted && !shadow).map(({ policy }) => policy);

/** Null when it was admitted. */
export function refusalOf(decision: Decision): ServiceError | null {
  if (decision.admitted) return null;
  const policies = refusedBy(decision);
  const members = policies.length === 0 ? {} : { 'violated-policies': policies };
  if (decision.mode === 'closed') {
    return new ServiceError({
      status: 503,
      code: 'rate-limit-unavailable',
      detail: 'Limits cannot be kept right now, and this is not done without. Try again shortly.',
      registered: {
        type: `${types}#temporary-reduced-capacity`,
        title: 'Request cannot be satisfied due to temporary server capacity constraints',
      },
      headers: { 'retry-after': String(closedRetrySeconds) },
    });
  }
  return new ServiceError({
    status: 429,
    code: 'rate-limited',
    detail: `Refused by ${policies.join(' and ')}. RateLimit-Policy says how much is allowed, Retry-After when to ask again.`,
    registered: {
      type: `${types}#quota-exceeded`,
      title: 'Request cannot be satisfied as assigned quota has been exceeded',
    },
    members,
  });
}

/** For the load's history: what was decided, when, how and in how long. Microseconds. */
export const evidenceOf = (decision: Decision, tookUs: number): string =>
  [
    `at=${decision.atUs}`,
    `took=${Math.round(tookUs)}`,
    `admitted=${decision.admitted ? 1 : 0}`,
    `mode=${decision.mode}`,
    `by=${refusedBy(decision).join(',')}`,
  ].join(';');
