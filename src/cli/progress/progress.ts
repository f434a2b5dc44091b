/** Progress on stderr: a live view in a terminal, plain lines in a log, or nothing. `sim` knows only this interface. */
import type { RunEvent } from '../../sim/run/run-events.ts';
import type { Io } from '../io.ts';

export interface Progress {
  onEvent(event: RunEvent): void;
  /** Shows that the run is stopping. */
  showStopping(): void;
  /** Ends the display, then prints the lines that must stay (services kept by --keep). */
  close(): Promise<void>;
}

export interface ProgressOptions {
  readonly io: Io;
  readonly quiet: boolean;
  readonly color: boolean;
  readonly heading: string;
  readonly title: string;
}
