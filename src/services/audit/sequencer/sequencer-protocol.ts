/**
 * Messages between a gateway and its sequencer process over Node's IPC channel. The settings come as the first
 * message, not as arguments: the database URL may hold a password, and every user can read a process's arguments.
 */
import type { SequencerDesign } from './sequencer.ts';

/** Shown in `ps` and in /proc/<pid>/comm, which keeps 15 characters. */
export const SEQUENCER_PROCESS_TITLE = 'audit-sequencer';

export interface SequencerStart {
  /** As the role of the sequencer. */
  readonly databaseUrl: string;
  /** Of keys and checkpoints. */
  readonly directory: string;
  readonly design: SequencerDesign;
}

export type SequencerCommand =
  | ({ readonly kind: 'start'; readonly heartbeatMs: number } & SequencerStart)
  /** Sequence one more batch, write a last checkpoint, exit. */
  | { readonly kind: 'close' };

/** Sent after each change, and every `heartbeatMs`. */
export interface SequencerStatus {
  /** Since the previous message; null: nothing. */
  readonly sequenced: { readonly records: number; readonly oldestSeconds: number } | null;
  readonly errors: readonly SerializedError[];
}

export interface SerializedError {
  readonly message: string;
  readonly stack: string | null;
  readonly cause: string | null;
}
