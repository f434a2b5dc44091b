/**
 * What a client is told: RateLimit-Policy and RateLimit as in draft-ietf-httpapi-ratelimit-headers-11, structured
 * fields that list every level that is enforced. A client that waits as told is never early: seconds are rounded up,
 * and Retry-After is spread upwards only, so that a crowd refused together does not come back in one tick. Pure.
 */
import type { Decision, KeptForQuestion, LevelState } from './contract.ts';

export interface HeaderChoices {
  /** X-RateLimit-Limit, -Remaining and -Reset too, of the level that is nearest to refusing. */
  readonly legacy?: boolean;
  /** 0 up to, not including, 1: how far up Retry-After is spread. */
  readonly random?: number;
  /** Of the question that was decided: RateLimit-Policy is made once for it. */
  readonly kept?: KeptForQuestion | undefined;
}

/** Field names in lower case. Levels in shadow are not told. */
export function limitHeaders(
  decision: Pick<Decision, 'admitted' | 'levels'>,
  { legacy = false, random = 0, kept }: HeaderChoices = {},
): Record<string, string> {
  const levels = decision.levels.some(({ shadow }) => shadow)
    ? decision.levels.filter(({ shadow }) => !shadow)
    : decision.levels;
  const first = levels[0];
  if (!first) return {};
  const policyField = kept?.policyField ?? levels.map(policyOf).join(', ');
  if (kept) kept.policyField = policyField;
  let states = '';
  for (const level of levels) states += states === '' ? stateOf(level) : `, ${stateOf(level)}`;
  const headers: Record<string, string> = { 'ratelimit-policy': policyField, ratelimit: states };
  if (decision.admitted && !legacy && levels.every(({ admitted }) => admitted)) return headers;
  const others = levels.slice(1);
  if (legacy) {
    const nearest = others.reduce(nearer, first);
    headers['x-ratelimit-limit'] = String(nearest.limit);
    headers['x-ratelimit-remaining'] = String(nearest.remaining);
    headers['x-ratelimit-reset'] = String(waitSeconds(nearest.resetUs));
  }
  const refusing = levels.filter(({ admitted }) => !admitted);
  if (refusing.length > 0)
    headers['retry-after'] = String(
      Math.max(...refusing.map((level) => retryAfter(level, random))),
    );
  return headers;
}

/** Whole seconds, rounded up; 0 when there is nothing to wait for. */
export const waitSeconds = (us: number): number => Math.ceil(us / 1_000_000);

const quotedBefore = new Map<string, string>();

/** Names of policies, of which a design has a handful. */
function quoted(text: string): string {
  let found = quotedBefore.get(text);
  if (found === undefined) {
    found = `"${text.replace(/[\\"]/g, '\\$&')}"`;
    if (quotedBefore.size < 1_000) quotedBefore.set(text, found);
  }
  return found;
}

/** `"user";q=100;w=60`; a lease has no window, its units are requests at one time. */
function policyOf({ policy, limit, windowMs }: LevelState): string {
  const span = windowMs === 0 ? 'qu="concurrent-requests"' : `w=${Math.ceil(windowMs / 1_000)}`;
  return `${quoted(policy)};q=${limit};${span}`;
}

/** `"user";r=99;t=60`: the seconds until more than that is available. */
const stateOf = ({ policy, remaining, resetUs }: LevelState): string =>
  `${quoted(policy)};r=${remaining};t=${waitSeconds(resetUs)}`;

function nearer(one: LevelState, other: LevelState): LevelState {
  if (one.admitted !== other.admitted) return one.admitted ? other : one;
  return other.remaining < one.remaining ? other : one;
}

/** The reset and up to a tenth of the window; where a second is little, at least that. A lease has no window. */
function retryAfter({ resetUs, windowMs }: LevelState, random: number): number {
  const tenthUs = windowMs * 100;
  const short = windowMs > 0 && windowMs <= 2_000;
  const spreadUs = short ? tenthUs : Math.max(1_000_000, tenthUs);
  return Math.max(1, waitSeconds(resetUs + random * spreadUs));
}
