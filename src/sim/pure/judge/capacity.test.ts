import { describe, expect, it } from 'vitest';
import type { LoadStep } from '../../result.ts';
import { operation } from '../fixtures/records.ts';
import { capacityOf, judgeStep, passingSteps } from './capacity.ts';

const slos = [
  { id: 'p99', objective: 'latency.p99 < 500ms' },
  { id: 'errors', objective: 'errors < 0.1%' },
];
const step = (responseUs: number, fields = {}, count = 1_000) =>
  judgeStep({
    span: { startUs: 0, endUs: 1_000_000 },
    operations: Array.from({ length: count }, (_, id) =>
      operation(id, {
        scheduledUs: id * 1_000,
        sentUs: id * 1_000,
        doneUs: id * 1_000 + responseUs,
        ...fields,
      }),
    ),
    slos,
    lagLimitUs: 20_000,
  });

describe('judgeStep', () => {
  it('holds below the limit, breaks above it', () => {
    expect(step(1_000)).toMatchObject({ verdict: 'pass', offeredPerSecond: 1_000 });
    expect(step(600_000)).toMatchObject({ verdict: 'fail', reason: 'p99 missed' });
  });

  it('counts only answers within the step as achieved', () => {
    // Responses of 100 ms: the arrivals of the last 100 ms are answered after the step.
    expect(step(100_000).achievedPerSecond).toBe(901);
  });

  it('breaks on errors, and on too few samples to hold a p99', () => {
    expect(step(1_000, { outcome: 'unknown' }).reason).toBe('errors missed');
    expect(step(1_000, {}, 200).verdict).toBe('fail');
  });

  it('blames the generator when it lagged', () => {
    const late = step(100_000, { sentUs: 2_000_000, doneUs: 2_100_000 });
    expect(late).toMatchObject({ verdict: 'unknown' });
  });

  it('fails the step when the SLO is missed even if counted from the late send', () => {
    const slow = step(100_000, { sentUs: 2_000_000, doneUs: 3_000_000 });
    expect(slow).toMatchObject({
      verdict: 'fail',
      reason: 'p99 missed, also counted from the actual send',
    });
  });
});

const steps = (...verdicts: LoadStep['verdict'][]): LoadStep[] =>
  verdicts.map((verdict, index) => ({
    ...step(1_000),
    offeredPerSecond: 500 * (index + 1),
    verdict,
    reason: 'p99 missed',
  }));

describe('capacityOf', () => {
  it('is the last step held, as a multiple of a rate at which before broke', () => {
    const capacity = capacityOf(steps('pass', 'pass', 'fail'), 12.5);
    expect(capacity).toMatchObject({
      holdsPerSecond: 1_000,
      breaksPerSecond: 1_500,
      timesBefore: 80,
    });
    expect(capacity.note).toContain('lower bound');
  });

  it('claims nothing it did not see', () => {
    expect(capacityOf(steps('fail'), 12.5)).toMatchObject({
      holdsPerSecond: null,
      timesBefore: null,
    });
    expect(capacityOf(steps('pass'), null)).toMatchObject({
      timesBefore: null,
      breaksPerSecond: null,
    });
    expect(capacityOf(steps('pass', 'unknown'), 12.5).note).toContain('the search ended at 1000/s');
  });

  /** Rate, verdict and, where it repeats one, the index of the earlier step. */
  const attempts = (...given: [number, LoadStep['verdict'], number?][]): LoadStep[] =>
    given.map(([offeredPerSecond, verdict, repeats]) => ({
      ...step(1_000),
      offeredPerSecond,
      verdict,
      reason: 'p99 missed',
      ...(repeats !== undefined && { repeats }),
    }));

  it('believes the second attempt, and says that there were two', () => {
    const held = attempts([500, 'pass'], [900, 'fail'], [902, 'pass', 1], [1_600, 'fail']);
    expect(capacityOf(held, null)).toMatchObject({ holdsPerSecond: 902, breaksPerSecond: 1_600 });
    expect(capacityOf(held, null).note).toContain('900/s held at the second attempt');
    const broke = capacityOf(attempts([500, 'pass'], [900, 'fail'], [902, 'fail', 1]), null);
    expect(broke).toMatchObject({ holdsPerSecond: 500, breaksPerSecond: 902 });
    expect(broke.note).toBe('breaks at 902/s (p99 missed); 900/s was tried twice');
  });

  it('does not count a rate whose proof failed', () => {
    const proofs = attempts([500, 'pass'], [900, 'pass'], [905, 'fail', 1], [503, 'pass', 0]);
    const capacity = capacityOf(proofs, null);
    expect(capacity).toMatchObject({ holdsPerSecond: 503, breaksPerSecond: 905 });
    expect(capacity.note).toContain('900/s held once and broke over 1,000 operations');
    expect(capacity.note).toContain('500/s held again over 1,000 operations');
    // The errors of a step that was taken back are not counted as those of one that held.
    expect(passingSteps(proofs)).toEqual([0, 3]);
  });
});
