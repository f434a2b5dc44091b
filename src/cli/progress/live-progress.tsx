/**
 * Draws the live view. Events only change the state; a 500 ms timer draws it, so that frequent events cost nothing.
 * ink must not handle Ctrl-C: the caller does.
 */
import { render } from 'ink';
import type { RunEvent } from '../../sim/run/run-events.ts';
import { LiveView } from './live-view.tsx';
import type { Progress, ProgressOptions } from './progress.ts';
import { applyEvent, createLiveState } from './progress-state.ts';

export { MIN_ROWS } from './live-view.tsx';

const REDRAW_MS = 500;

export function openLiveProgress(options: ProgressOptions): Progress {
  const stream = options.io.stderr as NodeJS.WriteStream;
  const keptLines: string[] = [];
  let state = createLiveState(options.heading, options.title, performance.now());
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
      if (event.type === 'kept') keptLines.push(...event.lines);
    },
    showStopping() {
      state = { ...state, isStopping: true };
      instance.rerender(view());
    },
    async close() {
      clearInterval(timer);
      instance.rerender(null);
      instance.unmount();
      await instance.waitUntilExit();
      for (const line of keptLines) stream.write(`${line}\n`);
    },
  };
}
