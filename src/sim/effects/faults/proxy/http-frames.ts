/**
 * HTTP/1.1 for the fault proxy: keep-alive, pipelining, content-length and chunked bodies, interim answers.
 * Memory is one message head at most.
 */
import type { Framing, ReplySink, Request, RequestSink } from './frames.ts';

const MAX_HEAD_BYTES = 65_536;
const MAX_LINE_BYTES = 8_192;
const MAX_NAME_LENGTH = 80;

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailer' | 'close';

/** `none`: the head was the whole message. `interim`: another head of the same message follows. */
type Body = 'none' | 'interim' | 'close' | 'chunked' | number;

interface MessageSink {
  begin(at: number): void;
  /** Returns what follows the head; null when the head is malformed. */
  head(text: string): Body | null;
  end(at: number): void;
}

/** Messages of one direction. */
class HttpReader {
  isOpaque = false;
  #state: State = 'head';
  #begun = false;
  #text = '';
  #remaining = 0;

  read(chunk: Buffer, sink: MessageSink): void {
    let at = 0;
    while (at < chunk.length && !this.isOpaque) at = this.#step(chunk, at, sink);
  }

  #step(chunk: Buffer, at: number, sink: MessageSink): number {
    switch (this.#state) {
      case 'head':
        return this.#head(chunk, at, sink);
      case 'length':
      case 'chunk-data': {
        const size = Math.min(this.#remaining, chunk.length - at);
        this.#remaining -= size;
        if (this.#remaining > 0) return at + size;
        if (this.#state === 'length') return this.#end(at + size, sink);
        this.#state = 'chunk-end';
        return at + size;
      }
      case 'close':
        return chunk.length;
      default:
        return this.#line(chunk, at, sink);
    }
  }

  #head(chunk: Buffer, from: number, sink: MessageSink): number {
    let at = from;
    if (!this.#begun) {
      // Empty lines before a message are skipped.
      while (at < chunk.length && (chunk[at] === 13 || chunk[at] === 10)) at += 1;
      if (at === chunk.length) return at;
      this.#begun = true;
      sink.begin(at);
    }
    const known = this.#text.length;
    // Most heads are in one chunk: then the end is found without copying the bytes after it.
    const whole = known === 0 ? chunk.indexOf('\r\n\r\n', at, 'latin1') : -1;
    this.#text += chunk.toString('latin1', at, whole === -1 ? chunk.length : whole + 4);
    const end = this.#text.indexOf('\r\n\r\n', Math.max(0, known - 3));
    if (end === -1) {
      if (this.#text.length > MAX_HEAD_BYTES) this.isOpaque = true;
      return chunk.length;
    }
    const text = this.#text.slice(0, end + 2);
    this.#text = '';
    return this.#body(sink.head(text), at + (end + 4 - known), sink);
  }

  #body(body: Body | null, at: number, sink: MessageSink): number {
    if (body === null) this.isOpaque = true;
    else if (body === 'none' || body === 0) return this.#end(at, sink);
    else if (body === 'chunked') this.#state = 'chunk-size';
    else if (body === 'close') this.#state = 'close';
    else if (body !== 'interim') {
      this.#state = 'length';
      this.#remaining = body;
    }
    return at;
  }

  /** The size of a chunk, the line end after one, or a trailer. */
  #line(chunk: Buffer, at: number, sink: MessageSink): number {
    const newline = chunk.indexOf(10, at);
    const end = newline === -1 ? chunk.length : newline + 1;
    this.#text += chunk.toString('latin1', at, end);
    if (this.#text.length > MAX_LINE_BYTES) this.isOpaque = true;
    if (newline === -1 || this.isOpaque) return end;
    const line = this.#text.trim();
    this.#text = '';
    if (this.#state === 'trailer') return line === '' ? this.#end(end, sink) : end;
    if (this.#state === 'chunk-end') {
      this.#state = 'chunk-size';
      if (line !== '') this.isOpaque = true;
      return end;
    }
    const size = /^([\da-f]{1,12})[ \t]*(?:;|$)/i.exec(line);
    if (size === null) this.isOpaque = true;
    this.#remaining = Number.parseInt(size?.[1] ?? '0', 16);
    this.#state = this.#remaining === 0 ? 'trailer' : 'chunk-data';
    return end;
  }

  #end(at: number, sink: MessageSink): number {
    this.#state = 'head';
    this.#begun = false;
    sink.end(at);
    return at;
  }
}

/** The declared body; undefined when none is, null when it is declared wrongly. */
function declaredBody(head: string): 'chunked' | number | null | undefined {
  if (/\r\ntransfer-encoding:[^\r]*\bchunked[ \t]*\r\n/i.test(head)) return 'chunked';
  const length = /\r\ncontent-length:[ \t]*([^\r]*?)[ \t]*\r\n/i.exec(head)?.[1];
  if (length === undefined) return undefined;
  return /^\d{1,15}$/.test(length) ? Number(length) : null;
}

export class HttpFraming implements Framing {
  readonly #fromClient = new HttpReader();
  readonly #fromServer = new HttpReader();
  #name = '';
  #upgraded = false;

  get isOpaque(): boolean {
    return this.#upgraded || this.#fromClient.isOpaque || this.#fromServer.isOpaque;
  }

  requests(chunk: Buffer, sink: RequestSink): void {
    this.#fromClient.read(chunk, {
      begin: (at) => sink.begin(at),
      head: (text) => {
        const line = /^([A-Z][A-Z-]{0,19}) ([^\s?]{1,8192})[^\s]* HTTP\/1\.[01]\r\n/.exec(text);
        if (line === null) return null;
        this.#name = `${line[1]} ${line[2]}`.slice(0, MAX_NAME_LENGTH);
        const body = declaredBody(text);
        return body === undefined ? 'none' : body;
      },
      end: (at) => sink.end(at, { name: this.#name, isCommit: false }),
    });
  }

  replies(chunk: Buffer, sink: ReplySink): void {
    this.#fromServer.read(chunk, {
      begin: () => {},
      head: (text) => this.#replyBody(text, sink.nextRequest()),
      end: (at) => sink.end(at),
    });
  }

  #replyBody(head: string, request: Request | undefined): Body | null {
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
    if (status === 101 || (status < 300 && request?.name.startsWith('CONNECT '))) {
      this.#upgraded = true;
      return 'close';
    }
    if (status < 100) return null;
    if (status < 200) return 'interim';
    if (status === 204 || status === 304 || request?.name.startsWith('HEAD ')) return 'none';
    const body = declaredBody(head);
    return body === undefined ? 'close' : body;
  }

  substituteRequest(): null {
    return null;
  }

  errorReply(request: Request | null): Buffer {
    const title = 'Service Unavailable';
    const detail = 'refused by the fault proxy';
    const body = JSON.stringify({ type: 'about:blank', title, status: 503, detail });
    const head = [
      'HTTP/1.1 503 Service Unavailable',
      'content-type: application/problem+json',
      `content-length: ${body.length}`,
      '\r\n',
    ].join('\r\n');
    return Buffer.from(request?.name.startsWith('HEAD ') ? head : head + body);
  }

  errorReplyEnd(): null {
    return null;
  }
}
