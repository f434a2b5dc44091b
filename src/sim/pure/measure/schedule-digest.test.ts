import { describe, expect, it } from 'vitest';
import { recordedHistory } from '../fixtures/recorded-history.ts';
import { operation } from '../fixtures/records.ts';
import { scheduleDigest } from './schedule-digest.ts';

const { attempts } = recordedHistory(3, 500);
const whole = scheduleDigest(attempts);

describe('scheduleDigest', () => {
  it('is the same in any order, because records are written as attempts end', () => {
    expect(scheduleDigest(attempts.toReversed())).toBe(whole);
    expect(whole).toMatch(/^[0-9a-f]{16}$/);
  });

  it('differs for a lost, doubled, renamed or moved record', () => {
    const [first, ...others] = attempts;
    const edited = [
      others,
      [...attempts, first!],
      [{ ...first!, name: 'other' }, ...others],
      [{ ...first!, scheduledUs: first!.scheduledUs + 1 }, ...others],
      [{ ...first!, id: 1_000_000 }, ...others],
    ];
    for (const records of edited) expect(scheduleDigest(records)).not.toBe(whole);
  });

  it('tells apart instants that agree in their lower 32 bits', () => {
    const at = (scheduledUs: number) => scheduleDigest([operation(1, { scheduledUs })]);
    expect(at(5)).not.toBe(at(5 + 2 ** 32));
  });

  it('has no collision among 200,000 neighbouring attempts', () => {
    const seen = new Set<string>();
    for (let id = 0; id < 200_000; id += 1)
      seen.add(scheduleDigest([operation(id % 400, { scheduledUs: (id / 400) | 0 })]));
    expect(seen.size).toBe(200_000);
  });
});
