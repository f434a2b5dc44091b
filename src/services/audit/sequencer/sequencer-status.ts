/**
 * Status messages from the sequencer process to its gateway, one in flight at a time. While one is in flight, later
 * counts and errors are merged into the next, so a gateway that does not read costs this process bounded memory.
 */
import type { SequencerStatus, SerializedError } from './sequencer-protocol.ts';

/** Further errors of one message are dropped. */
const MAX_ERRORS_PER_MESSAGE = 20;

export interface StatusChannel {
  onSequenced(records: number, oldestSeconds: number): void;
  onError(error: Error): void;
  /** Sends an empty message, unless one is in flight. */
  heartbeat(): void;
  /** Resolves when every message was sent. */
  drain(): Promise<void>;
}

export function createStatusChannel(
  transmit: (status: SequencerStatus, onSent: () => void) => void,
): StatusChannel {
  let sequenced: SequencerStatus['sequenced'] = null;
  let errors: SerializedError[] = [];
  let isSending = false;
  let drainWaiters: (() => void)[] = [];

  const send = () => {
    if (isSending) return;
    isSending = true;
    const status = { sequenced, errors };
    sequenced = null;
    errors = [];
    transmit(status, () => {
      isSending = false;
      if (sequenced !== null || errors.length > 0) return send();
      for (const resolve of drainWaiters) resolve();
      drainWaiters = [];
    });
  };

  return {
    onSequenced(records, oldestSeconds) {
      sequenced = {
        records: (sequenced?.records ?? 0) + records,
        oldestSeconds: Math.max(sequenced?.oldestSeconds ?? 0, oldestSeconds),
      };
      send();
    },
    onError({ message, stack, cause }) {
      if (errors.length < MAX_ERRORS_PER_MESSAGE)
        errors.push({
          message,
          stack: stack ?? null,
          cause: cause instanceof Error ? cause.message : null,
        });
      send();
    },
    heartbeat: send,
    drain: () =>
      new Promise((resolve) => {
        if (isSending) drainWaiters.push(resolve);
        else resolve();
      }),
  };
}

/** With the stack of the process that threw it. */
export function deserializeError({ message, stack, cause }: SerializedError): Error {
  const error = new Error(message, cause === null ? {} : { cause: new Error(cause) });
  if (stack !== null) error.stack = stack;
  return error;
}
