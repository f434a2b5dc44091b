import { render } from 'ink-testing-library';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../sim/run/run-events.ts';
import { fakeSteps } from '../fixtures/fake-run.ts';
import { LiveView } from './live-view.tsx';
import { applyEvent, createLiveState, type LiveState } from './progress-state.ts';

const ESCAPE = '\u001b';

interface Size {
  readonly columns?: number;
  readonly rows?: number;
}

function frame(state: LiveState, nowMs: number, { columns = 80, rows = 24 }: Size = {}): string[] {
  const props = { state, nowMs, columns, rows, color: false };
  const view = render(<LiveView {...props} />);
  const text = view.lastFrame() ?? '';
  view.unmount();
  return text.split('\n');
}

/** Plays the fixture's story, one second a sample, and shows every state on the way. */
function* story(): Generator<[LiveState, number]> {
  let state = createLiveState('platform sim turn4 · seed 1', 'The audit query', 0);
  let nowMs = 0;
  yield [state, nowMs];
  for (const { arm, phase, note, plannedMs, samples, ...figures } of fakeSteps) {
    state = applyEvent(state, { type: 'phase', arm, phase, note, plannedMs }, nowMs);
    yield [state, nowMs];
    for (let second = 0; second < samples; second += 1) {
      nowMs += 1_000;
      const event: RunEvent = {
        type: 'progress',
        arm: arm ?? 'before',
        phase,
        offeredPerSecond: figures.ratePerSecond,
        achievedPerSecond: figures.ratePerSecond,
        p50Us: second === 0 ? null : figures.p50Us,
        p99Us: second === 0 ? null : figures.p99Us,
        errors: 123_456,
        inFlight: 10_000,
        cpuPercent: figures.cpu,
      };
      state = applyEvent(state, event, nowMs);
      yield [state, nowMs];
    }
  }
}

describe('the live view', () => {
  it.each([
    [80, 24],
    [200, 60],
    [60, 20],
    [80, 17],
  ])('keeps its height and stays inside a %s by %s terminal', (columns, rows) => {
    const frames = [...story()].map(([state, nowMs]) => frame(state, nowMs, { columns, rows }));
    expect(new Set(frames.map((lines) => lines.length)).size).toBe(1);
    for (const lines of frames) {
      expect(lines.length).toBeLessThan(rows);
      for (const line of lines) expect(line.length).toBeLessThan(Math.min(81, columns));
    }
  });

  it.each([4, 5, 15])('names %i nodes in the same rows, or sums up the rest', (count) => {
    const names = Array.from({ length: count }, (_, index) => `eu.gateway.${index + 1}`);
    const state = applyEvent(
      createLiveState('platform sim', 'many', 0),
      {
        type: 'progress',
        arm: 'after',
        phase: 'measure',
        offeredPerSecond: 1,
        achievedPerSecond: 1,
        p50Us: 1,
        p99Us: 1,
        errors: 0,
        inFlight: 0,
        cpuPercent: Object.fromEntries(names.map((name) => [name, 10])),
      },
      0,
    );
    const text = frame(state, 0).join('\n');
    expect(text).toMatch(/^cpu +…ateway\.1 +━+─+ +10 %/m);
    if (count === 4) expect(text).not.toContain('more');
    else expect(text).toMatch(new RegExp(`${count - 3} more +━+─* +${10 * (count - 3)} %`));
  });

  it('prints no escape code without colour', () => {
    for (const [state, nowMs] of story())
      expect(frame(state, nowMs).join('')).not.toContain(ESCAPE);
  });

  it('shows phase, elapsed time, rates, latencies, errors and CPU', () => {
    const [state, nowMs] = [...story()].find(([{ phases, samples }]) => {
      return phases.at(-1)?.phase === 'measure' && samples.length === 30;
    })!;
    const text = frame(state, nowMs).join('\n');
    expect(text).toMatch(/^platform sim turn4 · seed 1 +0:\d\d$/m);
    expect(text).toMatch(/^✓ before calibrate .* 0:12$/m);
    expect(text).toMatch(/^▸ before measure +148 users/m);
    expect(text).toMatch(/^━+─+ +0:18 of 0:42$/m);
    expect(text).toMatch(/offered +13.4\/s +achieved +13.4\/s +in flight 10,000 +errors 123,456/);
    expect(text).toMatch(/^p50 +810 ms +[▁-█ ]+ top 810 ms$/m);
    expect(text).toMatch(/^p99 +4.1 s +[▁-█ ]+ top 4.1 s$/m);
    expect(text).toMatch(/^cpu +postgres +━+─* +92 % +gateway +━+─+ +11 %$/m);
  });

  it('shows no figure that is older than three seconds', () => {
    const [state, nowMs] = [...story()].at(-1)!;
    expect(frame(state, nowMs + 3_000).join('\n')).toMatch(/offered +2,600\/s/);
    expect(frame(state, nowMs + 3_001).join('\n')).toMatch(/offered +- /);
  });

  it('aligns the notes of phases, however long their names are', () => {
    const state = ['baseline', 'postgres-kills'].reduce(
      (before, phase) =>
        applyEvent(
          before,
          { type: 'phase', arm: 'after', phase, note: 'a note', plannedMs: null },
          0,
        ),
      createLiveState('platform sim turn3 · seed 1', 'The audit log', 0),
    );
    const columns = frame(state, 0).flatMap((line) =>
      line.includes('a note') ? [line.indexOf('a note')] : [],
    );
    expect(columns).toHaveLength(2);
    expect(new Set(columns).size).toBe(1);
  });

  it('says what Ctrl-C does, then that the run is stopping', () => {
    const state = createLiveState('x', 'y', 0);
    expect(frame(state, 0).join('\n')).toContain('Ctrl-C stops');
    expect(frame({ ...state, isStopping: true }, 0).join('\n')).toContain('press Ctrl-C again');
  });
});

describe('the state behind the view', () => {
  it('stays bounded, however long the run', () => {
    let state = createLiveState('x', 'y', 0);
    const sample = [...story()].at(-1)![0].latestSample!;
    for (let i = 0; i < 500; i += 1) {
      state = applyEvent(state, { type: 'note', text: 'n' }, i);
      state = applyEvent(state, { ...sample, type: 'progress' }, i);
      const phase = { arm: 'after', phase: `step ${i}`, note: '', plannedMs: 1 } as const;
      state = applyEvent(state, { type: 'phase', ...phase }, i);
    }
    expect(state.phases.length).toBeLessThanOrEqual(50);
    expect(state.samples.length).toBeLessThanOrEqual(40);
  });

  it('starts a new sparkline with a new arm', () => {
    const states = [...story()].map(([state]) => state);
    const first = states.find(({ phases }) => phases.at(-1)?.arm === 'after')!;
    expect(first.samples).toEqual([]);
    expect(first.latestSample).toBeNull();
  });
});
