/** Progress for a log or a pipe: one line a phase, one after 10 s of silence, no escape codes, no carriage return. */
import { formatCount, formatDuration, formatRate, oneLine } from '../../report/format.ts';
import type { RunEvent } from '../../sim/run/run-events.ts';
import type { Progress } from './progress.ts';

const HEARTBEAT_MS = 10_000;

type PhaseEvent = Extract<RunEvent, { type: 'phase' }>;
type ProgressEvent = Extract<RunEvent, { type: 'progress' }>;

export interface PlainProgressOptions {
  write(text: string): void;
  nowMs(): number;
  /** Prints only what the user must act on. */
  readonly quiet: boolean;
}

export function createPlainProgress(options: PlainProgressOptions): Progress & { tick(): void } {
  const startMs = options.nowMs();
  let lastLineMs = startMs;
  let phase: PhaseEvent | null = null;
  let latestSample: ProgressEvent | null = null;
  let keptLines: readonly string[] = [];

  const writeLine = (text: string): void => {
    if (options.quiet) return;
    lastLineMs = options.nowMs();
    options.write(`${formatElapsed(lastLineMs - startMs)} ${text}\n`);
  };
  const tick = (): void => {
    if (phase === null || options.nowMs() - lastLineMs < HEARTBEAT_MS) return;
    writeLine(
      `${formatPrefix(phase)}  ${latestSample === null ? 'still running' : formatSample(latestSample)}`,
    );
    latestSample = null;
  };
  const timer = setInterval(tick, 1_000);
  timer.unref();

  return {
    tick,
    onEvent(event) {
      if (event.type === 'phase') {
        phase = event;
        latestSample = null;
        writeLine(`${formatPrefix(event)}  ${describePhase(event)}`);
      } else if (event.type === 'progress') {
        latestSample = event;
        tick();
      } else if (event.type === 'note') {
        writeLine(
          `${phase === null ? ' '.repeat(8 + PHASE_WIDTH) : formatPrefix(phase)}  ${oneLine(event.text)}`,
        );
      } else if (event.type === 'kept') {
        keptLines = [...keptLines, ...event.lines];
      }
    },
    showStopping: () => options.write('stopping; press Ctrl-C again to leave at once\n'),
    close: async () => {
      clearInterval(timer);
      for (const line of keptLines) options.write(`${line}\n`);
    },
  };
}

/** `[  12.3s]`: the same width up to 9,999 s. */
function formatElapsed(elapsedMs: number): string {
  return `[${(elapsedMs / 1_000).toFixed(1).padStart(6)}s]`;
}

/** Width of the longest phase name, `redis-partition`. */
const PHASE_WIDTH = 15;

function formatPrefix(event: PhaseEvent): string {
  return `${(event.arm ?? '-').padEnd(7)} ${event.phase.padEnd(PHASE_WIDTH)}`;
}

/** The note, with the planned length unless the note already names it. */
function describePhase(event: PhaseEvent): string {
  const note = oneLine(event.note);
  if (event.plannedMs === null) return note;
  const planned = formatDuration(event.plannedMs * 1_000).replace('.0 ', ' ');
  return note.includes(planned) ? note : `${note} (${planned})`;
}

function formatSample(sample: ProgressEvent): string {
  return [
    `${formatRate(sample.achievedPerSecond)} of ${formatRate(sample.offeredPerSecond)} offered`,
    `p50 ${formatDuration(sample.p50Us)}`,
    `p99 ${formatDuration(sample.p99Us)}`,
    `errors ${formatCount(sample.errors)}`,
  ].join(', ');
}
