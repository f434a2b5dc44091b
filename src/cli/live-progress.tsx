/**
 * Keeps the live view on the screen. Events only change the state; a 500 ms timer draws it, so a run that
 * reports often costs no more than a quiet one. Ctrl-C stays the caller's.
 */
import { render } from 'ink';
import type { RunEvent } from '../sim/run-events.ts';
import { LiveView } from './live-view.tsx';
import type { Progress, ProgressOptions } from './progress.ts';
import { applyEvent, startState } from './progress-state.ts';

export { MIN_ROWS } from './live-view.tsx';

const REDRAW_MS = 500;

export function openLiveProgress(options: ProgressOptions): Progress {
  const stream = options.io.stderr as NodeJS.WriteStream;
  const kept: string[] = [];
  let state = startState(options.heading, options.title, performance.now());
  const view = () => (
    <LiveView
      state={state}
      nowMs={performance.now()}
      columns={stream.columns ?? 80}
      rows={stream.rows ?? 24}
      color={options.color}
    />
  );
  const instance = render(view(), {
    stdout: stream,
    stderr: stream,
    exitOnCtrlC: false,
    patchConsole: false,
    maxFps: 1_000 / REDRAW_MS,
  });
  const timer = setInterval(() => instance.rerender(view()), REDRAW_MS);
  return {
    onEvent(event: RunEvent) {
      state = applyEvent(state, event, performance.now());
      if (event.type === 'kept') kept.push(...event.lines);
    },
    stopping() {
      state = { ...state, stopping: true };
      instance.rerender(view());
    },
    async close() {
      clearInterval(timer);
      instance.rerender(null);
      instance.unmount();
      await instance.waitUntilExit();
      for (const line of kept) stream.write(`${line}\n`);
    },
  };
}
