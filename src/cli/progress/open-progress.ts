/** Chooses how progress is shown: a live view in a terminal, plain lines in a log, or nothing with --quiet. */
import { supportsColor, supportsLiveView } from '../io.ts';
import { createPlainProgress } from './plain-progress.ts';
import type { Progress, ProgressOptions } from './progress.ts';

export async function openProgress(options: ProgressOptions): Promise<Progress> {
  const { io, quiet } = options;
  const rows = (io.stderr as { rows?: number }).rows ?? 24;
  if (supportsLiveView(io, quiet)) {
    const { MIN_ROWS, openLiveProgress } = await loadLiveView();
    if (rows >= MIN_ROWS) {
      return openLiveProgress({ ...options, color: supportsColor(io, io.stderr, options.color) });
    }
  }
  return createPlainProgress({
    write: (text) => io.stderr.write(text),
    nowMs: () => performance.now(),
    quiet,
  });
}

/**
 * React's production build and chalk's colours are chosen by environment variables when they are first imported.
 * The variables are restored afterwards, so that no child process inherits them.
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
