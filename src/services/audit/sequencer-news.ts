/**
 * What the sequencer's process has to tell, one message at a time: while one is on its way, the next gathers what comes.
 * A gateway that stands still is then told a sum when it goes on, and costs this process no memory until then.
 */
import type { SequencerNews, ToldError } from './sequencer-protocol.ts';

/** Of one message; more of them at once say nothing more. */
const maxErrors = 20;

export interface News {
  sequenced(records: number, oldestSeconds: number): void;
  report(error: Error): void;
  /** A sign of life, unless a message is on its way anyhow. */
  beat(): void;
  /** Resolves when everything is told. */
  told(): Promise<void>;
}

export function createNews(send: (news: SequencerNews, taken: () => void) => void): News {
  let sequenced: SequencerNews['sequenced'] = null;
  let errors: ToldError[] = [];
  let isSending = false;
  let waiting: (() => void)[] = [];

  const say = () => {
    if (isSending) return;
    isSending = true;
    const news = { sequenced, errors };
    sequenced = null;
    errors = [];
    send(news, () => {
      isSending = false;
      if (sequenced !== null || errors.length > 0) return say();
      for (const resolve of waiting) resolve();
      waiting = [];
    });
  };

  return {
    sequenced(records, oldestSeconds) {
      sequenced = {
        records: (sequenced?.records ?? 0) + records,
        oldestSeconds: Math.max(sequenced?.oldestSeconds ?? 0, oldestSeconds),
      };
      say();
    },
    report({ message, stack, cause }) {
      if (errors.length < maxErrors)
        errors.push({
          message,
          stack: stack ?? null,
          cause: cause instanceof Error ? cause.message : null,
        });
      say();
    },
    beat: say,
    told: () =>
      new Promise((resolve) => {
        if (isSending) waiting.push(resolve);
        else resolve();
      }),
  };
}

/** The error as it was thrown over there. */
export function errorOf({ message, stack, cause }: ToldError): Error {
  const error = new Error(message, cause === null ? {} : { cause: new Error(cause) });
  if (stack !== null) error.stack = stack;
  return error;
}
