/** Chooses how progress is shown: a live view for a person at a terminal, plain lines for a log, or silence. */
import { wantsColor, wantsLiveView } from './io.ts';
import { createPlainProgress } from './plain-progress.ts';
import type { Progress, ProgressOptions } from './progress.ts';

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
