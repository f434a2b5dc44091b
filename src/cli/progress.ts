/**
 * Progress goes to stderr in one of three manners: a live view for a person at a terminal, plain lines for
 * a log, or silence. Whoever runs a scenario sees only this interface.
 */
import type { RunEvent } from '../sim/run-events.ts';
import type { Io } from './io.ts';

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
