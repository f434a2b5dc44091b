import { describe, expect, it } from 'vitest';
import { checkServed, type ModestRequest } from './check-served.ts';

const search = (id: number, outcome: ModestRequest['outcome']): ModestRequest => ({
  requestId: `r${id}`,
  client: 'u1',
  weight: 5,
  outcome,
  refusedBy: outcome === 'refused' ? ['user'] : [],
});
const admitted = [1, 2, 3].map((id) => search(id, 'admitted'));
const check = (requests: readonly ModestRequest[]) => checkServed(requests, { admitted: 3 });

describe('checkServed', () => {
  it('passes clients that are never refused, and does not blame a timeout', () =>
    expect(check([...admitted, search(4, 'unknown')])).toMatchObject({
      verdict: 'pass',
      checked: 4,
    }));

  it('catches one refusal, whichever limit it names', () =>
    expect(check([...admitted, search(4, 'refused')])).toMatchObject({
      verdict: 'fail',
      violations: 1,
    }));

  it('is unknown when too few were admitted', () => {
    expect(check(admitted.slice(1)).reason).toBe('2 requests admitted, 3 needed');
    expect(check([]).verdict).toBe('unknown');
  });
});
