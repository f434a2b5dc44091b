import { expect, it } from 'vitest';
import { knownTail } from '../../../pure/fixtures/known-tail.ts';
import { operation } from '../../../pure/fixtures/records.ts';
import { Progress, WINDOW_MS } from './progress.ts';

const WINDOW_US = WINDOW_MS * 1_000;
const SERVICE_US = 400;

it('Arithmetic: the live figures are of all windows together, and count from the scheduled instant', () => {
  const { values, truth } = knownTail(12_000, 'rising');
  const progress = new Progress(0);
  // The tail is in the last of the three windows.
  for (const [index, responseUs] of values.entries()) {
    if (index === 4_000) progress.rotate(WINDOW_US);
    if (index === 8_000) progress.rotate(2 * WINDOW_US);
    const scheduledUs = index;
    const doneUs = scheduledUs + responseUs;
    const sentUs = doneUs - SERVICE_US;
    progress.countStarted();
    progress.countRecorded(operation(index, { scheduledUs, sentUs, doneUs }));
  }
  const { p50Us, p99Us, lagP99Us, offeredPerSecond } = progress.rotate(3 * WINDOW_US);
  // Buckets of two digits: 1 %.
  const isNear = (measured: number | null, us: number) =>
    Math.abs((measured ?? 0) - us) <= us / 100;
  expect(isNear(p50Us, truth.p50Us), `p50 ${p50Us}`).toBe(true);
  expect(isNear(p99Us, truth.p99Us), `p99 ${p99Us}`).toBe(true);
  expect(isNear(lagP99Us, truth.p99Us - SERVICE_US), `lag ${lagP99Us}`).toBe(true);
  expect(offeredPerSecond).toBe(12_000 / 1.5);
});
