/**
 * Progress for a log or a pipe: one line a phase, a heartbeat when nothing was said for ten seconds, no
 * escape codes, never a carriage return.
 */
import { countText, durationText, oneLine, rateText } from '../report/format.ts';
import type { RunEvent } from '../sim/run-events.ts';
import type { Progress } from './progress.ts';

const HEARTBEAT_MS = 10_000;

type PhaseEvent = Extract<RunEvent, { type: 'phase' }>;
type ProgressEvent = Extract<RunEvent, { type: 'progress' }>;

export interface PlainOptions {
  write(text: string): void;
  nowMs(): number;
  /** Says nothing but what the person must know to act. */
  readonly quiet: boolean;
}

export function createPlainProgress(options: PlainOptions): Progress & { tick(): void } {
  const startMs = options.nowMs();
  let lastLineMs = startMs;
  let phase: PhaseEvent | null = null;
  let latest: ProgressEvent | null = null;
  let kept: readonly string[] = [];

  const say = (text: string): void => {
    if (options.quiet) return;
    lastLineMs = options.nowMs();
    options.write(`${stamp(lastLineMs - startMs)} ${text}\n`);
  };
  const tick = (): void => {
    if (phase === null || options.nowMs() - lastLineMs < HEARTBEAT_MS) return;
    say(`${lead(phase)}  ${latest === null ? 'still at it' : heartbeat(latest)}`);
    latest = null;
  };
  const timer = setInterval(tick, 1_000);
  timer.unref();

  return {
    tick,
    onEvent(event) {
      if (event.type === 'phase') {
        phase = event;
        latest = null;
        say(`${lead(event)}  ${describe(event)}`);
      } else if (event.type === 'progress') {
        latest = event;
        tick();
      } else if (event.type === 'note') {
        say(
          `${phase === null ? ' '.repeat(8 + PHASE_COLUMN) : lead(phase)}  ${oneLine(event.text)}`,
        );
      } else if (event.type === 'kept') {
        kept = [...kept, ...event.lines];
      }
    },
    stopping: () => options.write('stopping; press Ctrl-C again to leave at once\n'),
    close: async () => {
      clearInterval(timer);
      for (const line of kept) options.write(`${line}\n`);
    },
  };
}

/** `[  12.3s]`, the same width for the first hours. */
function stamp(elapsedMs: number): string {
  return `[${(elapsedMs / 1_000).toFixed(1).padStart(6)}s]`;
}

/** `redis-partition`: lines of one run stay in columns. */
const PHASE_COLUMN = 15;

function lead(event: PhaseEvent): string {
  return `${(event.arm ?? '-').padEnd(7)} ${event.phase.padEnd(PHASE_COLUMN)}`;
}

/** The planned length comes first, unless the note already names it. */
function describe(event: PhaseEvent): string {
  const note = oneLine(event.note);
  if (event.plannedMs === null) return note;
  const planned = durationText(event.plannedMs * 1_000).replace('.0 ', ' ');
  return note.includes(planned) ? note : `${note} (${planned})`;
}

function heartbeat(sample: ProgressEvent): string {
  return [
    `${rateText(sample.achievedPerSecond)} of ${rateText(sample.offeredPerSecond)} offered`,
    `p50 ${durationText(sample.p50Us)}`,
    `p99 ${durationText(sample.p99Us)}`,
    `errors ${countText(sample.errors)}`,
  ].join(', ');
}
