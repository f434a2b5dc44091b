/**
 * Parses the response headers about limits: the evidence of a decision (`x-limit-decision`, for the checkers) and the
 * fields for clients (`RateLimit`, `RateLimit-Policy`, `Retry-After`).
 */
import type { OperationRecord } from '../../sim/history.ts';

/** Response headers that limited operations capture. */
export const limitHeaders = [
  'x-limit-decision',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
] as const;

/** A request that is answered so was served nothing, and its units are given back. */
export const UNAVAILABLE = 503;

export interface LimitEvidence {
  /** The limiter's clock, Unix microseconds. */
  readonly atUs: number;
  /** Of the first decision; a login is decided twice, by its address and by its account. */
  readonly firstAtUs: number;
  /** Of the slowest decision. */
  readonly tookUs: number;
  /** By every decision. */
  readonly admitted: boolean;
  /** Of the last decision. */
  readonly mode: 'store' | 'share' | 'closed';
  /** Policies that refused it. */
  readonly refusedBy: readonly string[];
}

const shape =
  /^at=(\d{1,16});took=(\d{1,12});admitted=([01]);mode=(store|share|closed);by=([\w,-]*)$/;

/** Null when the response has none. Unreadable evidence is a bug in the platform, so it throws. */
export function parseEvidence({ headers, requestId }: OperationRecord): LimitEvidence | null {
  const text = headers?.['x-limit-decision'];
  if (text === undefined) return null;
  const decisions = text.split(', ').map((decision) => {
    const found = shape.exec(decision);
    if (found === null) throw new Error(`evidence of ${requestId} cannot be read: ${text}`);
    return found;
  });
  const last = decisions.at(-1)!;
  return {
    atUs: Number(last[1]),
    firstAtUs: Number(decisions[0]![1]),
    tookUs: Math.max(...decisions.map(([, , took]) => Number(took))),
    admitted: decisions.every(([, , , admitted]) => admitted === '1'),
    mode: last[4] as LimitEvidence['mode'],
    refusedBy: decisions.flatMap((decision) =>
      decision[5]!.split(',').filter((policy) => policy !== ''),
    ),
  };
}

export interface LimitField {
  readonly policy: string;
  readonly limit: number | null;
  readonly remaining: number;
  readonly resetSeconds: number | null;
}

/** Each item of `RateLimit`, with the quota its policy names. */
export function parseLimitFields({ headers }: OperationRecord): LimitField[] {
  const quotas = new Map(
    parseItems(headers?.['ratelimit-policy']).map(({ policy, values }) => [
      policy,
      values.get('q'),
    ]),
  );
  return parseItems(headers?.ratelimit).flatMap(({ policy, values }) => {
    const remaining = values.get('r');
    if (remaining === undefined) return [];
    const limit = quotas.get(policy) ?? null;
    return [{ policy, limit, remaining, resetSeconds: values.get('t') ?? null }];
  });
}

/** Parses a structured field's list of strings with integer parameters; other items are skipped. */
function parseItems(field = ''): { policy: string; values: Map<string, number> }[] {
  return [...field.matchAll(/"([^"]+)"((?:\s*;\s*[a-z]+=[^;,]+)*)/g)].map((item) => ({
    policy: item[1]!,
    values: new Map(
      [...item[2]!.matchAll(/;\s*([a-z]+)=(-?\d+)\s*(?=;|$)/g)].map((m) => [m[1]!, Number(m[2])]),
    ),
  }));
}
