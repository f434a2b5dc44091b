/**
 * What the platform's answers say about limits, read: the evidence of a decision (`x-limit-decision`, for whoever
 * judges it) and the fields for clients (`RateLimit`, `RateLimit-Policy`, `Retry-After`).
 */
import type { OperationRecord } from '../sim/history.ts';

/** Templates that want evidence capture these. */
export const limitHeaders = [
  'x-limit-decision',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
] as const;

export interface LimitEvidence {
  /** The limiter's clock, Unix microseconds. */
  readonly atUs: number;
  readonly tookUs: number;
  readonly admitted: boolean;
  readonly mode: 'store' | 'share' | 'closed';
  /** Policies that refused it. */
  readonly by: readonly string[];
}

const shape =
  /^at=(\d{1,16});took=(\d{1,12});admitted=([01]);mode=(store|share|closed);by=([\w,-]*)$/;

/** Null when the answer carried none. Evidence that cannot be read is an error of the platform, not of the run. */
export function evidenceOf({ headers, requestId }: OperationRecord): LimitEvidence | null {
  const text = headers?.['x-limit-decision'];
  if (text === undefined) return null;
  const found = shape.exec(text);
  if (found === null) throw new Error(`evidence of ${requestId} cannot be read: ${text}`);
  return {
    atUs: Number(found[1]),
    tookUs: Number(found[2]),
    admitted: found[3] === '1',
    mode: found[4] as LimitEvidence['mode'],
    by: found[5]!.split(',').filter((policy) => policy !== ''),
  };
}

export interface LimitField {
  readonly policy: string;
  readonly limit: number | null;
  readonly remaining: number;
  readonly resetSeconds: number | null;
}

/** Each item of `RateLimit`, with the quota its policy names. */
export function limitFieldsOf({ headers }: OperationRecord): LimitField[] {
  const quotas = new Map(
    itemsOf(headers?.['ratelimit-policy']).map(({ policy, values }) => [policy, values.get('q')]),
  );
  return itemsOf(headers?.ratelimit).flatMap(({ policy, values }) => {
    const remaining = values.get('r');
    if (remaining === undefined) return [];
    const limit = quotas.get(policy) ?? null;
    return [{ policy, limit, remaining, resetSeconds: values.get('t') ?? null }];
  });
}

/** A structured field's list of strings with integer parameters; what is not one is left out. */
function itemsOf(field = ''): { policy: string; values: Map<string, number> }[] {
  return [...field.matchAll(/"([^"]+)"((?:\s*;\s*[a-z]+=[^;,]+)*)/g)].map((item) => ({
    policy: item[1]!,
    values: new Map(
      [...item[2]!.matchAll(/;\s*([a-z]+)=(-?\d+)\s*(?=;|$)/g)].map((m) => [m[1]!, Number(m[2])]),
    ),
  }));
}
