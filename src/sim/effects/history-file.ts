/** The run's history on disk: gzipped NDJSON, appended arm by arm, closed once. */
import { createReadStream, createWriteStream } from 'node:fs';
import { finished, pipeline } from 'node:stream/promises';
import { createGzip, type Gzip } from 'node:zlib';
import type { HistoryRecord } from '../history.ts';

export class HistoryFile {
  readonly #gzip: Gzip = createGzip({ level: 6 });
  readonly #written: Promise<void>;

  constructor(file: string) {
    this.#written = pipeline(this.#gzip, createWriteStream(file));
    this.#written.catch(() => {}); // reported by close()
  }

  async append(records: Iterable<HistoryRecord>): Promise<void> {
    for (const record of records) await this.#write(`${JSON.stringify(record)}\n`);
  }

  /** Appends a plain NDJSON file as it is. */
  async appendFile(file: string): Promise<void> {
    const source = createReadStream(file);
    for await (const chunk of source) await this.#write(chunk as Buffer);
  }

  async close(): Promise<void> {
    this.#gzip.end();
    await this.#written;
  }

  async #write(chunk: string | Buffer): Promise<void> {
    if (this.#gzip.destroyed) await finished(this.#gzip); // throws what destroyed it
    if (this.#gzip.write(chunk)) return;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error) => reject(error);
      this.#gzip.once('error', onError);
      this.#gzip.once('drain', () => {
        this.#gzip.off('error', onError);
        resolve();
      });
    });
  }
}
