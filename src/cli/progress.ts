/**
 * Progress goes to stderr in one of three manners: a live view for a person at a terminal, plain lines for
 * a log, or silence. Whoever runs a scenario sees only this interface.
 */
import type { RunEvent } from '../sim/run-events.ts';
import type { Io } from './io.ts';
import { wantsColor, wantsLiveView } from './io.ts';
import { createPlainProgress } from './plain-progress.ts';

export interface Progress {
  onEvent(event: RunEvent): void;
  /** The run was asked to stop. */
  stopping(): void;
  /** Ends the display; what must stay on the screen (kept services) is printed then. */
  close(): Promise<void>;
}

export interface ProgressOptions {
  readonly io: Io;
  readonly quiet: boolean;
  readonly color: boolean;
  readonly heading: string;
  readonly title: string;
}

export async function openProgress(options: ProgressOptions): Promise<Progress> {
  const { io, quiet } = options;
  const rows = (io.stderr as { rows?: number }).rows ?? 24;
  if (wantsLiveView(io, quiet)) {
    const { MIN_ROWS, openLiveProgress } = await loadLiveView();
    if (rows >= MIN_ROWS) {
      return openLiveProgress({ ...options, color: wantsColor(io, io.stderr, options.color) });
    }
  }
  return createPlainProgress({
    write: (text) => io.stderr.write(text),
    nowMs: () => performance.now(),
    quiet,
  });
}

/**
 * React chooses its slow development build, and chalk its colours, when they are first imported. Both are
 * told through the environment, which is put back so that no child process of the run inherits it.
 */
async function loadLiveView(): Promise<typeof import('./live-progress.tsx')> {
  const saved = { NODE_ENV: process.env.NODE_ENV, FORCE_COLOR: process.env.FORCE_COLOR };
  process.env.NODE_ENV ??= 'production';
  process.env.FORCE_COLOR = '1';
  try {
    return await import('./live-progress.tsx');
  } finally {
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
