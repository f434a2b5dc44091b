/** The whole lines another process has appended to a file since the last look. */
import { closeSync, openSync, readSync } from 'node:fs';

const PIECE_BYTES = 1024 * 1024;
const NEWLINE = 10;

export class LineTail {
  readonly #file: string;
  #handle: number | null = null;
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: string) {
    this.#file = file;
  }

  *read(): Generator<string> {
    this.#handle ??= openIfThere(this.#file);
    if (this.#handle === null) return;
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (;;) {
      const length = readSync(this.#handle, piece);
      if (length === 0) return;
      const bytes = Buffer.concat([this.#rest, piece.subarray(0, length)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      this.#rest = bytes.subarray(end);
      if (end > 0) yield* bytes.toString('utf8', 0, end - 1).split('\n');
    }
  }

  close(): void {
    if (this.#handle !== null) closeSync(this.#handle);
    this.#handle = null;
  }
}

function openIfThere(file: string): number | null {
  try {
    return openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
