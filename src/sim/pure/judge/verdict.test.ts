import { describe, expect, it } from 'vitest';
import type { InvariantResult, SloResult, ValidityCheck, Verdict } from '../../result.ts';
import { type ArmEvidence, judgeArm, judgeRun } from './verdict.ts';

const slo = (id: string, verdict: Verdict): SloResult => ({
  id,
  objective: id,
  measured: 1,
  limit: 1,
  unit: 'us',
  samples: 1_000,
  verdict,
});
const invariant = (id: string, verdict: Verdict): InvariantResult => ({
  id,
  statement: id,
  checked: 1,
  violations: verdict === 'fail' ? 1 : 0,
  witness: [],
  verdict,
});
const lagged: ValidityCheck = {
  id: 'send-lag',
  statement: 'sent on time',
  measured: '50 ms',
  limit: '20 ms',
  ok: false,
  severity: 'unknown',
};
const figure = (verdict: Verdict) => ({
  id: 'cpu',
  label: 'database CPU',
  documented: 92,
  reproduced: 60,
  unit: 'percent' as const,
  low: 87,
  high: 97,
  verdict,
});
const before: ArmEvidence = {
  expected: 'fail',
  mustFail: ['mean', 'p99'],
  slos: [slo('mean', 'fail'), slo('p99', 'fail'), slo('errors', 'unknown')],
  invariants: [invariant('audit-once', 'pass')],
  validity: [],
  documented: [figure('pass')],
};
const after: ArmEvidence = {
  expected: 'pass',
  mustFail: [],
  slos: [slo('mean', 'pass'), slo('p99', 'pass'), slo('errors', 'pass')],
  invariants: [invariant('audit-once', 'pass')],
  validity: [],
  documented: [],
};
const exitCodeOf = (b: ArmEvidence, a: ArmEvidence) =>
  judgeRun([
    { ...judgeArm(b), name: 'before', expected: b.expected },
    { ...judgeArm(a), name: 'after', expected: a.expected },
  ]).exitCode;

const disturbed: ValidityCheck = {
  id: 'other-cpu',
  statement: 'the machine had its cores for the run',
  measured: 'other processes used 0.9 of 2 cores',
  limit: '0.25 cores',
  ok: false,
  severity: 'warn',
};

describe('judgeArm', () => {
  it('makes a missed latency unknown on a disturbed machine, and names the disturbance', () => {
    const off = { ...before, documented: [figure('fail')], validity: [disturbed] };
    expect(judgeArm(off)).toMatchObject({ verdict: 'unknown', asExpected: false });
    expect(judgeArm(off).reason).toContain(
      'database CPU outside the band, while other processes used 0.9 of 2 cores',
    );
    expect(judgeArm({ ...off, validity: [{ ...disturbed, ok: true }] }).reason).not.toContain(
      '0.9',
    );
    expect(judgeArm({ ...after, validity: [disturbed] })).toEqual(judgeArm(after));
    const missed = { ...after, slos: [slo('p99', 'fail')], validity: [disturbed] };
    expect(judgeArm(missed)).toEqual({
      verdict: 'unknown',
      asExpected: false,
      failed: [],
      reason: 'misses SLO p99, while other processes used 0.9 of 2 cores',
    });
    expect(exitCodeOf(before, missed)).toBe(97);
    const errors: SloResult = { ...slo('errors', 'fail'), unit: 'ratio' };
    const both = { ...missed, slos: [slo('p99', 'fail'), errors] };
    expect(judgeArm(both)).toMatchObject({ verdict: 'fail', reason: 'misses SLOs p99 and errors' });
    const objective = 'errors < 1%';
    const errorsOf = (withoutOverload: number) =>
      judgeArm({ ...missed, slos: [{ ...errors, objective, measured: 0.3, withoutOverload }] });
    // Timeouts and 503s alone are what a busy machine causes; one wrong answer in fifty is not.
    expect(errorsOf(0.001)).toMatchObject({ verdict: 'unknown', failed: [] });
    expect(errorsOf(0.02)).toMatchObject({ verdict: 'fail', failed: ['slo.errors'] });
    // Statements for checks that Redis answered too late; on a quiet machine they are a failure.
    const work = { ...missed, slos: [{ ...slo('statements', 'fail'), unit: 'count' as const }] };
    expect(judgeArm(work)).toMatchObject({ verdict: 'unknown', failed: [] });
    expect(judgeArm({ ...work, validity: [] })).toMatchObject({ failed: ['slo.statements'] });
    const violated = { ...missed, invariants: [invariant('audit-once', 'fail')] };
    expect(judgeArm(violated).failed).toEqual(['slo.p99', 'invariant.audit-once']);
  });

  it('finds before as documented and after holding', () => {
    expect(judgeArm(before)).toMatchObject({ verdict: 'fail', asExpected: true, failed: [] });
    expect(judgeArm(after)).toMatchObject({ verdict: 'pass', asExpected: true, failed: [] });
  });

  it('accepts failures in mayFail for a failing design, and no others', () => {
    const broken = { ...before, slos: [...before.slos, slo('storm', 'fail')] };
    expect(judgeArm(broken)).toMatchObject({ asExpected: false, failed: ['slo.storm'] });
    expect(judgeArm({ ...broken, mayFail: ['storm'] }).asExpected).toBe(true);
    expect(judgeArm({ ...before, mayFail: ['storm'] }).asExpected).toBe(true);
  });

  it('does not accept a before that fails in some other way than documented', () => {
    const other = { ...before, slos: [slo('mean', 'fail'), slo('p99', 'pass')] };
    expect(judgeArm(other)).toMatchObject({ asExpected: false });
    const milder = { ...before, documented: [figure('fail')] };
    expect(judgeArm(milder)).toMatchObject({ verdict: 'unknown', asExpected: false });
  });

  it('believes a violated invariant even when the generator lagged, and a latency not', () => {
    const violated = {
      ...after,
      validity: [lagged],
      invariants: [invariant('audit-once', 'fail')],
    };
    expect(judgeArm(violated).failed).toEqual(['invariant.audit-once']);
    const slow = { ...after, validity: [lagged], slos: [slo('p99', 'fail')] };
    expect(judgeArm(slow)).toMatchObject({ verdict: 'unknown', failed: [] });
  });

  it('believes an invariant that depends on arrivals only where nothing disturbed them', () => {
    const unfair = { ...invariant('agents-fair', 'fail'), dependsOnArrivals: true as const };
    const judged = (validity: readonly ValidityCheck[], more: readonly InvariantResult[] = []) =>
      judgeArm({ ...after, validity, invariants: [unfair, ...more] });
    expect(judged([])).toMatchObject({ verdict: 'fail', failed: ['invariant.agents-fair'] });
    expect(judged([disturbed])).toMatchObject({ verdict: 'unknown', failed: [] });
    expect(judged([lagged])).toMatchObject({ verdict: 'unknown', failed: [] });
    const wrong = invariant('audit-once', 'fail');
    for (const validity of [disturbed, lagged])
      expect(judged([validity], [wrong]).failed).toContain('invariant.audit-once');
  });

  it('is unknown when an invariant saw nothing or nothing was judged at all', () => {
    const unseen = [invariant('x', 'unknown'), invariant('y', 'unknown')];
    expect(judgeArm({ ...after, invariants: unseen })).toMatchObject({
      verdict: 'unknown',
      reason: 'lacks data for x and y',
    });
    expect(judgeArm({ ...after, slos: [], invariants: [] })).toMatchObject({
      verdict: 'unknown',
      reason: 'judged nothing',
    });
  });
});

describe('judgeRun', () => {
  it('passes only when before fails as documented and after holds', () => {
    expect(exitCodeOf(before, after)).toBe(0);
  });

  it('gives 97 when before does not show the failure, whatever after does', () => {
    const healthy = { ...before, slos: after.slos };
    expect(exitCodeOf(healthy, after)).toBe(97);
    expect(exitCodeOf(healthy, { ...after, slos: [slo('p99', 'fail')] })).toBe(97);
  });

  it('gives 99 for a missed SLO and 98 for a violated invariant, which outranks it', () => {
    const slow = { ...after, slos: [slo('p99', 'fail')] };
    expect(exitCodeOf(before, slow)).toBe(99);
    const both = { ...slow, invariants: [invariant('audit-once', 'fail')] };
    expect(exitCodeOf(before, both)).toBe(98);
    expect(exitCodeOf({ ...before, slos: after.slos }, both)).toBe(98);
  });

  it('gives 97 when after has too little data, and when nothing ran', () => {
    expect(exitCodeOf(before, { ...after, slos: [slo('p99', 'unknown')] })).toBe(97);
    expect(judgeRun([]).exitCode).toBe(97);
  });

  it('names what failed', () => {
    const slow = judgeArm({ ...after, slos: [slo('p99', 'fail')] });
    expect(judgeRun([{ ...slow, name: 'after', expected: 'pass' }]).failed).toEqual([
      'after.slo.p99',
    ]);
  });
});
