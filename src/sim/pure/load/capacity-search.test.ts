import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../result.ts';
import { type CompletedStep, nextStep, type SearchPlan } from './capacity-search.ts';

const plan: SearchPlan = {
  startPerSecond: 200,
  factor: 2,
  maxPerSecond: 2_000,
  stepMs: 1_000,
  latencySamples: 299,
  errorSamples: 2_995,
};

/** Plays the search against verdicts by attempt; each step as `rate purpose verdict`. */
function played(
  verdictOf: (ratePerSecond: number, attempt: number) => Verdict,
  given = plan,
): CompletedStep[] {
  const completed: CompletedStep[] = [];
  for (let next = nextStep(given, completed); next !== null; next = nextStep(given, completed)) {
    const { ratePerSecond } = next;
    const attempt = completed.filter((step) => step.ratePerSecond === ratePerSecond).length + 1;
    completed.push({ ...next, verdict: verdictOf(ratePerSecond, attempt) });
    expect(completed.length).toBeLessThan(50);
  }
  return completed;
}

const describeSteps = (completed: readonly CompletedStep[]) =>
  completed.map(({ ratePerSecond, purpose, verdict }) => `${ratePerSecond} ${purpose} ${verdict}`);

describe('nextStep', () => {
  it('rises until a step breaks twice, then proves the highest that held', () => {
    const completed = played((rate) => (rate <= 400 ? 'pass' : 'fail'));
    expect(describeSteps(completed)).toEqual([
      '200 search pass',
      '400 search pass',
      '800 search fail',
      '800 repeat fail',
      '400 proof pass',
    ]);
    expect(completed.map(({ repeats }) => repeats)).toEqual([null, null, null, 2, 1]);
  });

  it('goes on when the second attempt holds: one stall is not the limit', () => {
    const stalls = (rate: number, attempt: number): Verdict =>
      rate >= 1_600 || (rate === 400 && attempt === 1) ? 'fail' : 'pass';
    expect(describeSteps(played(stalls))).toEqual([
      '200 search pass',
      '400 search fail',
      '400 repeat pass',
      '800 search pass',
      '1600 search fail',
      '1600 repeat fail',
      '800 proof pass',
    ]);
  });

  it('gives a lagging generator a second attempt too', () => {
    const completed = played((rate) => (rate >= 400 ? 'unknown' : 'pass'));
    expect(describeSteps(completed).slice(1)).toEqual([
      '400 search unknown',
      '400 repeat unknown',
      '200 proof pass',
    ]);
  });

  it('proves one step lower when the proof breaks, three times at most', () => {
    const proofsBreak = (rate: number, attempt: number): Verdict =>
      attempt === 1 && rate <= 1_600 ? 'pass' : 'fail';
    expect(describeSteps(played(proofsBreak)).slice(4)).toEqual([
      '1600 proof fail',
      '800 proof fail',
      '400 proof fail',
    ]);
  });

  it('proves nothing where nothing held, and the last step where none broke', () => {
    expect(describeSteps(played(() => 'fail'))).toEqual(['200 search fail', '200 repeat fail']);
    expect(describeSteps(played(() => 'pass')).slice(-2)).toEqual([
      '1600 search pass',
      '1600 proof pass',
    ]);
  });

  it('lasts until the samples are there, within bounds', () => {
    // 299 + 4 x 17.3 arrivals at 200/s; at 400/s they come within a second; at 10/s five seconds are the bound.
    const durations = played((rate) => (rate <= 400 ? 'pass' : 'fail')).map((s) => s.durationMs);
    expect(durations).toEqual([1_841, 1_000, 1_000, 1_000, 8_035]);
    const slow = { ...plan, startPerSecond: 10, maxPerSecond: 10 };
    expect(played(() => 'pass', slow).map((s) => s.durationMs)).toEqual([5_000, 12_000]);
  });
});
