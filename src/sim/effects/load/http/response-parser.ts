/**
 * Parses HTTP/1.1 responses on one connection, one at a time. It keeps the status, the framing and, on request, the start
 * of the body and named headers; all other bytes are skipped. Memory is bounded by the head limit and the captured part.
 */

export const MAX_HEAD_BYTES = 65_536;
export const MAX_CAPTURE_BYTES = 65_536;
/** Of one captured header's value. */
export const MAX_HEADER_CHARACTERS = 1_024;

export class ResponseError extends Error {
  readonly code = 'bad response';
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'trailer' | 'until-close';

export class ResponseParser {
  /** Of the answer being read; 0 until its head is complete. */
  status = 0;
  /** The connection can carry another request after this answer. */
  keepAlive = true;
  /** The server's last `Keep-Alive: timeout=`, in seconds. */
  keepAliveSeconds: number | null = null;
  #state: State = 'head';
  #remaining = 0;
  #line = '';
  #capture = false;
  #captured: Buffer[] = [];
  #capturedBytes = 0;
  #wanted: readonly string[] | null = null;
  #headers: Record<string, string> | null = null;

  /** `wanted` are names of headers to keep, in lower case. */
  start(capture: boolean, wanted: readonly string[] | null = null): void {
    this.status = 0;
    this.keepAlive = true;
    this.#state = 'head';
    this.#line = '';
    this.#capture = capture;
    this.#captured = [];
    this.#capturedBytes = 0;
    this.#wanted = wanted;
    this.#headers = null;
  }

  /** Captured headers; null when none are to be captured, or before the head. */
  get headers(): Readonly<Record<string, string>> | null {
    return this.#headers;
  }

  /** The captured body, at most MAX_CAPTURE_BYTES of it. */
  body(): string {
    return Buffer.concat(this.#captured).toString('utf8');
  }

  /** True when `bytes[0, length)` completed the answer; bytes after its end are an error. */
  feed(bytes: Buffer, length: number): boolean {
    let at = 0;
    for (;;) {
      if (this.#state === 'head') {
        const end = this.#takeHead(bytes, at, length);
        if (end === -1) return false;
        at = end;
        if (this.#readHead()) return this.#complete(at, length);
      } else if (this.#state === 'length' || this.#state === 'chunk-data') {
        const size = Math.min(this.#remaining, length - at);
        this.#keep(bytes, at, at + size);
        at += size;
        this.#remaining -= size;
        if (this.#remaining > 0) return false;
        if (this.#state === 'length') return this.#complete(at, length);
        this.#state = 'chunk-size';
      } else if (this.#state === 'until-close') {
        this.#keep(bytes, at, length);
        return false;
      } else {
        const end = this.#takeLine(bytes, at, length);
        if (end === -1) return false;
        at = end;
        if (this.#readChunkLine()) return this.#complete(at, length);
      }
    }
  }

  /** The server closed the connection: true when that ended the answer in good order. */
  finish(): boolean {
    return this.#state === 'until-close';
  }

  #complete(at: number, length: number): true {
    if (at < length) throw new ResponseError('bytes after the end of an answer');
    return true;
  }

  /** Collects up to the empty line; returns the index after it, or -1 when more bytes are needed. */
  #takeHead(bytes: Buffer, from: number, length: number): number {
    if (this.#line === '') {
      const end = bytes.indexOf('\r\n\r\n', from, 'latin1');
      if (end !== -1 && end + 4 <= length) {
        this.#line = bytes.toString('latin1', from, end + 2);
        return end + 4;
      }
    }
    const known = this.#line.length;
    this.#line += bytes.toString('latin1', from, length);
    const end = this.#line.indexOf('\r\n\r\n', Math.max(0, known - 3));
    if (end === -1) {
      if (this.#line.length > MAX_HEAD_BYTES) throw new ResponseError('head too long');
      return -1;
    }
    this.#line = this.#line.slice(0, end + 2);
    return from + (end + 4 - known);
  }

  /** True when the answer has no body. */
  #readHead(): boolean {
    const head = this.#line;
    this.#line = '';
    const status = Number(head.slice(9, 12));
    if (!head.startsWith('HTTP/1.') || !(status >= 100 && status <= 999)) {
      throw new ResponseError('not an HTTP/1.x answer');
    }
    if (status < 200) return false; // Interim answer; the state is still `head`.
    this.status = status;
    const framing = this.#readFraming(head);
    if (this.#wanted !== null) this.#headers = wantedHeaders(head, this.#wanted);
    if (status === 204 || status === 304) return true;
    if (framing.chunked) {
      this.#state = 'chunk-size';
      return false;
    }
    if (framing.length === null) {
      this.keepAlive = false;
      this.#state = 'until-close';
      return false;
    }
    this.#state = 'length';
    this.#remaining = framing.length;
    return framing.length === 0;
  }

  #readFraming(head: string): { length: number | null; chunked: boolean } {
    this.keepAlive = head.charCodeAt(7) !== 48; // HTTP/1.0 closes unless it says otherwise.
    let length: number | null = null;
    let chunked = false;
    let lineStart = head.indexOf('\r\n') + 2;
    while (lineStart < head.length) {
      const lineEnd = head.indexOf('\r\n', lineStart);
      // Lower-casing every name costs more than the rest of the parser; only the initials c, t and k matter.
      const initial = head.charCodeAt(lineStart) | 0x20;
      if (initial === 99 || initial === 116 || initial === 107) {
        const colon = head.indexOf(':', lineStart);
        const name = head.slice(lineStart, colon).toLowerCase();
        const value = head.slice(colon + 1, lineEnd);
        if (name === 'content-length') length = wholeNumber(value.trim(), 10);
        else if (name === 'transfer-encoding') chunked = value.toLowerCase().includes('chunked');
        else if (name === 'connection') this.#readConnection(value.toLowerCase());
        else if (name === 'keep-alive') {
          const seconds = /timeout=(\d+)/i.exec(value);
          if (seconds) this.keepAliveSeconds = Number(seconds[1]);
        }
      }
      lineStart = lineEnd + 2;
    }
    return { length, chunked };
  }

  #readConnection(value: string): void {
    if (value.includes('close')) this.keepAlive = false;
    else if (value.includes('keep-alive')) this.keepAlive = true;
  }

  /** Collects one line into `#line`, without its end; returns the index after it, or -1. */
  #takeLine(bytes: Buffer, from: number, length: number): number {
    const newline = bytes.indexOf(10, from);
    const found = newline !== -1 && newline < length;
    this.#line += bytes.toString('latin1', from, found ? newline + 1 : length);
    if (this.#line.length > MAX_HEAD_BYTES) throw new ResponseError('line too long');
    return found ? newline + 1 : -1;
  }

  /** True when the line ended the answer. */
  #readChunkLine(): boolean {
    const line = this.#line.trim();
    this.#line = '';
    if (this.#state === 'trailer') return line === '';
    if (line === '') return false; // The line end after a chunk's data.
    this.#remaining = wholeNumber(line.split(';', 1)[0]!.trim(), 16);
    this.#state = this.#remaining === 0 ? 'trailer' : 'chunk-data';
    return false;
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    if (!this.#capture || this.#capturedBytes >= MAX_CAPTURE_BYTES) return;
    const part = bytes.subarray(from, Math.min(to, from + MAX_CAPTURE_BYTES - this.#capturedBytes));
    this.#captured.push(Buffer.from(part));
    this.#capturedBytes += part.length;
  }
}

function wantedHeaders(head: string, wanted: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  let lineStart = head.indexOf('\r\n') + 2;
  while (lineStart < head.length) {
    const lineEnd = head.indexOf('\r\n', lineStart);
    const colon = head.indexOf(':', lineStart);
    if (colon !== -1 && colon < lineEnd) {
      const name = head.slice(lineStart, colon).toLowerCase();
      if (wanted.includes(name)) {
        headers[name] ??= head
          .slice(colon + 1, lineEnd)
          .trim()
          .slice(0, MAX_HEADER_CHARACTERS);
      }
    }
    lineStart = lineEnd + 2;
  }
  return headers;
}

function wholeNumber(text: string, radix: 10 | 16): number {
  const valid = radix === 10 ? /^\d{1,15}$/ : /^[\da-f]{1,12}$/i;
  if (!valid.test(text)) throw new ResponseError(`not a length: ${text.slice(0, 40)}`);
  return Number.parseInt(text, radix);
}
