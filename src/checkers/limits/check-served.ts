/**
 * Clients that stay below every limit are never refused, however much the others send: a refusal of one is a violation,
 * whichever limit it names and whatever the others took.
 */
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';

export interface ModestRequest {
  readonly requestId: string;
  readonly client: string;
  readonly weight: number;
  readonly outcome: 'admitted' | 'refused' | 'unknown';
  readonly refusedBy: readonly string[];
}

export function checkServed(
  requests: readonly ModestRequest[],
  mustHaveSeen: { readonly admitted: number },
): CheckResult {
  const refused = requests.filter(({ outcome }) => outcome === 'refused');
  const admitted = requests.filter(({ outcome }) => outcome === 'admitted').length;
  return concludeCheck({
    checked: requests.length,
    violations: refused.length,
    witness: refused
      .slice(0, 10)
      .map((request) => ({ violation: 'refused below every limit', ...request })),
    figures: [
      {
        id: 'modest-admitted',
        label: 'requests below every limit',
        value: admitted,
        unit: 'count',
      },
      { id: 'modest-refused', label: 'of them refused', value: refused.length, unit: 'count' },
    ],
    gap:
      admitted < mustHaveSeen.admitted
        ? `${admitted} requests admitted, ${mustHaveSeen.admitted} needed`
        : null,
  });
}
