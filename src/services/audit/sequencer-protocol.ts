/**
 * What a gateway and the process that chains for it say to each other, over Node's IPC channel. Everything the process
 * needs comes as its first message: the URL of the database may hold a password, and arguments are read by everybody.
 */
import type { SequencerDesign } from './sequencer.ts';

/** Name of the process in `ps` and in /proc/<pid>/comm, which keeps 15 characters. */
export const sequencerTitle = 'audit-sequencer';

export interface SequencerStart {
  readonly databaseUrl: string;
  /** Of its connection; null: whoever the URL names. */
  readonly role: string | null;
  /** Holds keys and checkpoints. */
  readonly directory: string;
  readonly design: SequencerDesign;
}

export type SequencerOrder =
  | ({ readonly kind: 'start'; readonly beatMs: number } & SequencerStart)
  /** One more look, a last checkpoint, and the end. */
  | { readonly kind: 'close' };

/** Said when there is something to say, and every `beatMs` as a sign of life. */
export interface SequencerNews {
  /** Since the message before; null: nothing. */
  readonly sequenced: { readonly records: number; readonly oldestSeconds: number } | null;
  readonly errors: readonly ToldError[];
}

export interface ToldError {
  readonly message: string;
  readonly stack: string | null;
  readonly cause: string | null;
}
