import { describe, expect, it } from 'vitest';
import type { ArmResult, Result } from '../../sim/result.ts';
import { contradictions } from './contradictions.ts';
import { recordedResult } from './fixtures/recorded-run.ts';

const result = recordedResult();
const after = result.arms.after!;
const withArm = (edited: Partial<ArmResult>): Result => ({
  ...result,
  arms: { ...result.arms, after: { ...after, ...edited } },
});
const withSlo = (edited: Partial<ArmResult['slos'][number]>) =>
  withArm({ slos: after.slos.map((slo) => (slo.id === 'p99' ? { ...slo, ...edited } : slo)) });
const withInvariant = (edited: Partial<ArmResult['invariants'][number]>) =>
  withArm({ invariants: after.invariants.map((one) => ({ ...one, ...edited })) });

describe('contradictions', () => {
  it('finds none in a result that was computed', () => {
    expect(contradictions(result)).toEqual([]);
  });

  it.each([
    ['a run that passes with another exit code', { ...result, exitCode: 97 }],
    ['a run that fails and passed', { ...result, verdict: 'fail' as const }],
    [
      'a run that is unknown and names nothing',
      { ...result, verdict: 'unknown' as const, exitCode: 97 },
    ],
    ['a run that passes though it was aborted', { ...result, aborted: true }],
    ['a run that passes with a failed check', { ...result, failed: ['after.slo.p99'] }],
    ['an arm that fails with nothing that failed', withArm({ verdict: 'fail' })],
    [
      'an arm that passes on an invalid run',
      withArm({ validity: after.validity.map((check) => ({ ...check, ok: false })) }),
    ],
    ['an SLO that passes over its limit', withSlo({ measured: 4_000_000 })],
    ['an SLO that fails within its limit', withSlo({ verdict: 'fail' })],
    ['an SLO with the limit of another', withSlo({ limit: 9_000_000 })],
    ['an SLO that passes unmeasured', withSlo({ measured: null })],
    ['an SLO that measured another arm', withSlo({ measured: after.latency.p99Us + 1 })],
    ['an invariant that passes with violations', withInvariant({ violations: 1 })],
    ['an invariant that fails without', withInvariant({ verdict: 'fail' })],
    ['percentiles that fall', withArm({ latency: { ...after.latency, p95Us: 1 } })],
  ])('finds %s', (_what, edited) => {
    expect(contradictions(edited)).not.toEqual([]);
  });
});
