/**
 * Appends operations to the history file in large chunks, so that the generator makes no system call per operation.
 * Memory is bounded: a disk that is more than 64 MB behind is an error.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { OperationRecord } from '../../../history.ts';

const CHUNK_CHARACTERS = 64 * 1024;
const FLUSH_EVERY_MS = 500;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

export class HistoryWriter {
  readonly #stream: WriteStream;
  readonly #timer: NodeJS.Timeout;
  readonly #done: Promise<void>;
  #chunk = '';
  #failure: Error | null = null;

  constructor(file: string) {
    this.#stream = createWriteStream(file, { flags: 'a' });
    this.#done = finished(this.#stream).catch((cause: Error) => {
      this.#failure = new Error(`cannot write the history ${file}: ${cause.message}`, { cause });
    });
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  /** Throws when the file cannot be written or the disk is too far behind. */
  append(record: OperationRecord): void {
    if (this.#failure !== null) throw this.#failure;
    this.#chunk += operationLine(record);
    if (this.#chunk.length >= CHUNK_CHARACTERS) this.#flush();
    if (this.#stream.writableLength > MAX_QUEUED_BYTES) {
      throw new Error(`the disk is ${MAX_QUEUED_BYTES / 2 ** 20} MB behind the history`);
    }
  }

  /** Resolves when everything appended so far can be read from the file. */
  async flush(): Promise<void> {
    this.#flush();
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
    if (this.#failure !== null) throw this.#failure;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flush();
    this.#stream.end();
    await this.#done;
    if (this.#failure !== null) throw this.#failure;
  }

  #flush(): void {
    if (this.#chunk === '' || this.#failure !== null) return;
    this.#stream.write(this.#chunk);
    this.#chunk = '';
  }
}

/** One line of NDJSON. By hand, because JSON.stringify of the record costs several times as much. */
export function operationLine(record: OperationRecord): string {
  const { id, scheduledUs, sentUs, doneUs, outcome, status } = record;
  const subject = record.subject === undefined ? '' : `,"subject":${quote(record.subject)}`;
  const target = record.target === undefined ? '' : `,"target":${quote(record.target)}`;
  const retry =
    record.attempt === undefined
      ? ''
      : `,"attempt":${record.attempt},"retryOf":${record.retryOf ?? id}`;
  const error = record.error === undefined ? '' : `,"error":${quote(record.error)}`;
  const body = record.body === undefined ? '' : `,"body":${JSON.stringify(record.body)}`;
  const headers =
    record.headers === undefined ? '' : `,"headers":${JSON.stringify(record.headers)}`;
  return (
    `{"kind":"op","id":${id},"phase":${quote(record.phase)},"name":${quote(record.name)}` +
    `,"user":${quote(record.user)},"requestId":${quote(record.requestId)}` +
    `,"scheduledUs":${scheduledUs},"sentUs":${sentUs},"doneUs":${doneUs}` +
    `,"outcome":"${outcome}","status":${status}${subject}${target}${retry}${error}${body}${headers}}\n`
  );
}

/** Plain text needs no escaping; the test is cheaper than JSON.stringify. */
function quote(text: string): string {
  return /^[\w .:/@+-]*$/.test(text) ? `"${text}"` : JSON.stringify(text);
}
