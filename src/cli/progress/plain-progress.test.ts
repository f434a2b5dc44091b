import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../sim/run/run-events.ts';
import { createPlainProgress } from './plain-progress.ts';

function open(quiet = false) {
  let nowMs = 5_000;
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  const progress = createPlainProgress({ write, nowMs: () => nowMs, quiet });
  return {
    progress,
    /** What was written since the last call. */
    after(advanceMs: number, event?: RunEvent): string {
      nowMs += advanceMs;
      if (event === undefined) progress.tick();
      else progress.onEvent(event);
      return written.splice(0).join('');
    },
    close: async () => {
      await progress.close();
      return written.splice(0).join('');
    },
  };
}

const measure: RunEvent = {
  type: 'phase',
  arm: 'before',
  phase: 'measure',
  note: '148 users',
  plannedMs: 40_000,
};
const sample: RunEvent = {
  type: 'progress',
  arm: 'before',
  phase: 'measure',
  offeredPerSecond: 13.42,
  achievedPerSecond: 13.1,
  p50Us: 810_000,
  p99Us: 4_120_000,
  errors: 2,
  inFlight: 12,
  cpuPercent: { postgres: 92 },
};

describe('plain progress', () => {
  it('writes one line a phase, with the elapsed time, the arm and the planned length', async () => {
    const log = open();
    const setup: RunEvent = {
      ...measure,
      arm: null,
      phase: 'testbed',
      note: 'PostgreSQL',
      plannedMs: null,
    };
    expect(log.after(0, setup)).toBe('[   0.0s] -       testbed          PostgreSQL\n');
    expect(log.after(12_340, measure)).toBe(
      '[  12.3s] before  measure          148 users (40 s)\n',
    );
    expect(await log.close()).toBe('');
  });

  it('omits the planned length if the note names it', async () => {
    const log = open();
    const named = { ...measure, note: '40 s under 148 users' };
    expect(log.after(0, named)).toBe('[   0.0s] before  measure          40 s under 148 users\n');
    await log.close();
  });

  it('prints a sample every ten seconds, not each one', async () => {
    const log = open();
    log.after(0, measure);
    for (let second = 1; second < 10; second += 1) expect(log.after(1_000, sample)).toBe('');
    expect(log.after(1_000, sample)).toBe(
      '[  10.0s] before  measure          13.1/s of 13.4/s offered, p50 810 ms, p99 4.1 s, errors 2\n',
    );
    expect(log.after(1_000, sample)).toBe('');
    await log.close();
  });

  it('prints a line every ten seconds in a phase without samples', async () => {
    const log = open();
    log.after(0, measure);
    expect(log.after(9_999)).toBe('');
    expect(log.after(1)).toBe('[  10.0s] before  measure          still running\n');
    await log.close();
  });

  it('keeps a note on one line and free of escape codes', async () => {
    const log = open();
    const note: RunEvent = { type: 'note', text: 'two\nlines \u001b[31mred\r' };
    const text = log.after(0, note);
    expect(text.match(/\n/g)).toHaveLength(1);
    expect(text).not.toContain('\u001b');
    expect(text).not.toContain('\r');
    await log.close();
  });

  it('prints nothing when quiet, except what was kept running', async () => {
    const log = open(true);
    expect(log.after(0, measure) + log.after(60_000) + log.after(0, sample)).toBe('');
    expect(log.after(0, { type: 'kept', lines: ['kept: redis://x'] })).toBe('');
    expect(await log.close()).toBe('kept: redis://x\n');
  });
});
