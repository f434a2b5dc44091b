/**
 * RESP2 and RESP3 for the fault proxy: commands (arrays or inline) and their replies, pipelined or not. Where replies
 * no longer match commands one to one (subscriptions, MONITOR, CLIENT REPLY), the connection is opaque.
 */
import type { Framing, RefusedRequest, ReplySink, RequestSink } from './frames.ts';

const MAX_LINE_BYTES = 65_536;
const MAX_DEPTH = 64;
const MAX_WORD_BYTES = 32;
const [PLUS, DOLLAR, STAR, PUSH, ATTRIBUTE] = [0x2b, 0x24, 0x2a, 0x3e, 0x7c];
const LINES = new Set([PLUS, ...Buffer.from('-:_#,(')]);
const BULKS = new Set([DOLLAR, ...Buffer.from('=!')]);
/** Elements for each counted one. */
const AGGREGATES = new Map([
  [STAR, 1],
  [0x7e, 1],
  [PUSH, 1],
  [0x25, 2],
  [ATTRIBUTE, 2],
]);

interface ValueSink {
  begin(at: number): void;
  /** A bulk string's bytes, as far as kept. */
  word(text: string): void;
  /** `type` is the first byte; `count` what an aggregate declared. */
  end(at: number, type: number, count: number): void;
}

/** Top-level values of one direction. `inline`: anything else is a line of words. */
class RespReader {
  isOpaque = false;
  readonly #inline: boolean;
  readonly #open: { readonly type: number; left: number }[] = [];
  #top = 0;
  #count = 0;
  /** First byte of the value being read; -1 between values. */
  #type = -1;
  #line = '';
  /** Bytes of a bulk string still to come, line end included; -1 outside of one. */
  #bulk = -1;
  #word = '';

  constructor(inline: boolean) {
    this.#inline = inline;
  }

  read(chunk: Buffer, sink: ValueSink): void {
    let at = 0;
    while (at < chunk.length && !this.isOpaque) {
      if (this.#bulk >= 0) at = this.#skipBulk(chunk, at, sink);
      else at = this.#readLine(chunk, at, sink);
    }
  }

  #skipBulk(chunk: Buffer, at: number, sink: ValueSink): number {
    const size = Math.min(this.#bulk, chunk.length - at);
    const text = Math.min(size, this.#bulk - 2, MAX_WORD_BYTES - this.#word.length);
    if (this.#inline && text > 0) this.#word += chunk.toString('latin1', at, at + text);
    this.#bulk -= size;
    if (this.#bulk > 0) return at + size;
    this.#bulk = -1;
    sink.word(this.#word);
    this.#word = '';
    this.#valueEnded(at + size, sink);
    return at + size;
  }

  #readLine(chunk: Buffer, at: number, sink: ValueSink): number {
    if (this.#type === -1) {
      this.#type = chunk[at]!;
      if (this.#open.length === 0) {
        this.#top = this.#type;
        this.#count = 0;
        sink.begin(at);
      }
    }
    const newline = chunk.indexOf(10, at);
    const end = newline === -1 ? chunk.length : newline + 1;
    this.#line += chunk.toString('latin1', at, end);
    if (this.#line.length > MAX_LINE_BYTES) this.isOpaque = true;
    else if (newline !== -1) this.#header(end, sink);
    return end;
  }

  #header(at: number, sink: ValueSink): void {
    const type = this.#type;
    const line = this.#line;
    this.#line = '';
    const perCount = AGGREGATES.get(type);
    const inlineHere = this.#inline && type !== STAR && this.#open.length === 0;
    if (inlineHere) {
      const words = line.trim().split(/\s+/, 2);
      for (const word of words) sink.word(word.slice(0, MAX_WORD_BYTES));
      this.#count = words[0] === '' ? 0 : words.length;
      this.#valueEnded(at, sink);
    } else if (LINES.has(type)) this.#valueEnded(at, sink);
    else if (perCount === undefined && !BULKS.has(type)) this.isOpaque = true;
    else {
      const count = /^-?\d{1,10}$/.test(line.slice(1).trim()) ? Number(line.slice(1)) : Number.NaN;
      if (Number.isNaN(count)) this.isOpaque = true;
      else if (perCount === undefined) this.#openBulk(count, at, sink);
      else this.#openAggregate(type, count * perCount, at, sink);
    }
  }

  #openBulk(length: number, at: number, sink: ValueSink): void {
    if (length < 0) this.#valueEnded(at, sink);
    else this.#bulk = length + 2;
  }

  #openAggregate(type: number, count: number, at: number, sink: ValueSink): void {
    if (this.#open.length === 0) this.#count = Math.max(0, count);
    if (count <= 0) this.#valueEnded(at, sink);
    else if (this.#open.length === MAX_DEPTH) this.isOpaque = true;
    else {
      this.#open.push({ type, left: count });
      this.#type = -1;
    }
  }

  #valueEnded(at: number, sink: ValueSink): void {
    let type = this.#type;
    this.#type = -1;
    for (;;) {
      const parent = this.#open.at(-1);
      if (parent === undefined) {
        sink.end(at, this.#top, this.#count);
        return;
      }
      // An attribute precedes the value it describes and does not count as a value.
      if (type !== ATTRIBUTE) parent.left -= 1;
      if (parent.left > 0) return;
      this.#open.pop();
      type = parent.type;
    }
  }
}

const UNPAIRED = new Set(['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE', 'MONITOR', 'SYNC', 'PSYNC']);

export class RespFraming implements Framing {
  readonly #fromClient = new RespReader(true);
  readonly #fromServer = new RespReader(false);
  #words: string[] = [];
  #unpaired = false;
  #inMulti = false;

  get isOpaque(): boolean {
    return this.#unpaired || this.#fromClient.isOpaque || this.#fromServer.isOpaque;
  }

  requests(chunk: Buffer, sink: RequestSink): void {
    this.#fromClient.read(chunk, {
      begin: (at) => {
        this.#words = [];
        // Redis skips empty lines without a reply.
        if (chunk[at] !== 13 && chunk[at] !== 10) sink.begin(at);
      },
      word: (text) => {
        if (this.#words.length < 2) this.#words.push(text.toUpperCase());
      },
      end: (at, _type, count) => this.#commandEnded(at, count, sink),
    });
  }

  #commandEnded(at: number, count: number, sink: RequestSink): void {
    const [name = '', argument] = this.#words;
    if (count === 0) return;
    sink.end(at, { name, isCommit: false });
    if (name === 'MULTI') this.#inMulti = true;
    else if (name === 'EXEC' || name === 'DISCARD' || name === 'RESET') this.#inMulti = false;
    if (UNPAIRED.has(name) || (name === 'CLIENT' && argument === 'REPLY')) this.#unpaired = true;
  }

  replies(chunk: Buffer, sink: ReplySink): void {
    this.#fromServer.read(chunk, {
      begin: () => {},
      word: () => {},
      end: (at, type) => {
        if (type !== PUSH && type !== ATTRIBUTE) sink.end(at);
      },
    });
  }

  /** In MULTI, a refused command must make EXEC fail, and a refused EXEC must end the transaction. */
  substituteRequest({ request }: RefusedRequest): Buffer | null {
    if (!this.#inMulti) return null;
    return Buffer.from(request?.name === 'EXEC' ? 'DISCARD\r\n' : 'INJECTED-FAULT\r\n');
  }

  errorReply(): Buffer {
    return Buffer.from('-ERR injected\r\n');
  }

  errorReplyEnd(): null {
    return null;
  }
}
