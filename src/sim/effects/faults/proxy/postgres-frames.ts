/**
 * PostgreSQL protocol 3 for the fault proxy. A request is one simple query or function call, or an extended batch
 * up to its Sync; its reply ends with ReadyForQuery. Start-up, passwords and COPY data are part of no request. After an
 * accepted SSLRequest the connection is opaque. Memory: at most 4 kB of one message.
 */
import type { Framing, RefusedRequest, ReplySink, RequestSink } from './frames.ts';
import { CommitTracker, isCommit } from './postgres-commit.ts';

const MAX_LENGTH = 0x3fff_ffff;
const MAX_STARTUP_LENGTH = 10_000;
const MAX_KEPT_BYTES = 4_096;
const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;

interface MessageSink {
  /** The first byte of a message; empty for the untyped first ones. */
  start(type: string, at: number): void;
  /** `body` is at most MAX_KEPT_BYTES of it. False: not PostgreSQL. */
  end(type: string, body: Buffer, at: number): boolean;
}

const NOTHING = Buffer.alloc(0);

/** Messages of one direction. */
class MessageReader {
  isOpaque = false;
  /** The next message has a length but no type. */
  untyped: boolean;
  /** Types whose bodies are needed. */
  readonly #kept: string;
  readonly #header = Buffer.alloc(5);
  #headerBytes = 0;
  #type = '';
  #remaining = 0;
  #parts: Buffer[] = [];
  #partsBytes = 0;

  constructor(options: { untyped: boolean; kept: string }) {
    this.untyped = options.untyped;
    this.#kept = options.kept;
  }

  read(chunk: Buffer, from: number, sink: MessageSink): void {
    let at = from;
    while (at < chunk.length && !this.isOpaque) {
      if (this.#headerBytes < this.#headerSize()) {
        at = this.#readHeader(chunk, at, sink);
        if (this.#headerBytes < this.#headerSize() || this.#remaining > 0) continue;
      } else at = this.#readBody(chunk, at);
      if (this.#remaining === 0 && !this.isOpaque) this.#end(at, sink);
    }
  }

  #headerSize(): number {
    return this.untyped ? 4 : 5;
  }

  #readHeader(chunk: Buffer, at: number, sink: MessageSink): number {
    if (this.#headerBytes === 0) {
      this.#type = this.untyped ? '' : String.fromCharCode(chunk[at]!);
      sink.start(this.#type, at);
    }
    const size = this.#headerSize();
    const taken = chunk.copy(this.#header, this.#headerBytes, at, at + size - this.#headerBytes);
    this.#headerBytes += taken;
    if (this.#headerBytes === size) {
      const length = this.#header.readUInt32BE(size - 4);
      const maxLength = this.untyped ? MAX_STARTUP_LENGTH : MAX_LENGTH;
      if (length < 4 || length > maxLength) this.isOpaque = true;
      this.#remaining = length - 4;
    }
    return at + taken;
  }

  #readBody(chunk: Buffer, at: number): number {
    const size = Math.min(this.#remaining, chunk.length - at);
    const room = Math.min(size, MAX_KEPT_BYTES - this.#partsBytes);
    if (room > 0 && (this.#type === '' || this.#kept.includes(this.#type))) {
      const part = chunk.subarray(at, at + room);
      // Copied when it outlives this chunk: a view would keep the whole chunk in memory.
      this.#parts.push(size < this.#remaining ? Buffer.from(part) : part);
      this.#partsBytes += room;
    }
    this.#remaining -= size;
    return at + size;
  }

  #end(at: number, sink: MessageSink): void {
    const parts = this.#parts;
    const body =
      parts.length === 0 ? NOTHING : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    this.#headerBytes = 0;
    this.#parts = [];
    this.#partsBytes = 0;
    if (!sink.end(this.#type, body, at)) this.isOpaque = true;
  }
}

/** Text up to the next zero byte, and where the one after it begins. */
function textAt(body: Buffer, from: number): { text: string; next: number } {
  const zero = body.indexOf(0, from);
  const end = zero === -1 ? body.length : zero;
  return { text: body.toString('latin1', from, end), next: end + 1 };
}

const firstWord = (sql: string) => /^[\s(]*([a-z]{1,20})/i.exec(sql)?.[1]?.toUpperCase();

const FRONTEND = 'BCDEFHPQSXcdfp';
const IN_BATCH = 'BCDEHP';
const ENDS_REQUEST = 'FQS';

export class PostgresFraming implements Framing {
  readonly #fromClient = new MessageReader({ untyped: true, kept: 'BCEPQ' });
  readonly #fromServer = new MessageReader({ untyped: false, kept: 'Z' });
  readonly #commits = new CommitTracker();
  /** Pending replies of one raw byte, to SSLRequest and GSSENCRequest. */
  #pendingRawReplies = 0;
  #encrypted = false;
  #started = false;
  #begun = false;
  #name: string | undefined;
  #commit = false;
  #status = 'I';

  get isOpaque(): boolean {
    return this.#encrypted || this.#fromClient.isOpaque || this.#fromServer.isOpaque;
  }

  requests(chunk: Buffer, sink: RequestSink): void {
    this.#fromClient.read(chunk, 0, {
      start: (type, at) => {
        if (type === '' || this.#begun) return;
        if (!IN_BATCH.includes(type) && !ENDS_REQUEST.includes(type)) return;
        this.#begun = true;
        this.#name = undefined;
        this.#commit = false;
        sink.begin(at);
      },
      end: (type, body, at) => {
        if (type === '') return this.#startup(body);
        if (!FRONTEND.includes(type)) return false;
        this.#inspectMessage(type, body);
        if (type === 'H') sink.flush(at);
        else if (ENDS_REQUEST.includes(type)) {
          this.#begun = false;
          sink.end(at, { name: this.#name ?? 'statement', isCommit: this.#commit });
        }
        return true;
      },
    });
  }

  /** SSLRequest and GSSENCRequest are answered by one byte, and another untyped message follows. */
  #startup(body: Buffer): boolean {
    const code = body.length < 4 ? 0 : body.readUInt32BE(0);
    if (code === SSL_REQUEST || code === GSS_REQUEST) this.#pendingRawReplies += 1;
    else if (code >>> 16 === 3 || code === CANCEL_REQUEST) this.#fromClient.untyped = false;
    else return false;
    return true;
  }

  #inspectMessage(type: string, body: Buffer): void {
    const first = textAt(body, type === 'C' ? 1 : 0);
    if (type === 'Q') {
      this.#name ??= firstWord(first.text);
      this.#commit ||= isCommit(first.text);
    } else if (type === 'P') {
      const sql = textAt(body, first.next).text;
      this.#name ??= firstWord(sql);
      this.#commits.parse(first.text, sql);
    } else if (type === 'B') this.#commits.bind(first.text, textAt(body, first.next).text);
    else if (type === 'E') this.#commit ||= this.#commits.execute(first.text);
    else if (type === 'C') this.#commits.close(body.toString('latin1', 0, 1), first.text);
    if (this.#commit) this.#name ??= 'COMMIT';
  }

  replies(chunk: Buffer, sink: ReplySink): void {
    let from = 0;
    for (; this.#pendingRawReplies > 0 && from < chunk.length; from += 1) {
      this.#pendingRawReplies -= 1;
      // Anything but N (refused): TLS, GSSAPI, or an old server's error.
      if (chunk[from] !== 0x4e) this.#encrypted = true;
    }
    if (this.#encrypted) return;
    this.#fromServer.read(chunk, from, {
      start: () => {},
      end: (type, body, at) => {
        if (!/[0-9A-Za-z]/.test(type)) return false;
        if (type !== 'Z') return true;
        this.#status = body.toString('latin1', 0, 1);
        // The first ReadyForQuery ends the start-up.
        if (this.#started) sink.end(at);
        this.#started = true;
        return true;
      },
    });
  }

  /** An invalid statement, so that the server fails an open transaction as well. */
  substituteRequest({ isServerIdle }: RefusedRequest): Buffer | null {
    return isServerIdle && this.#status === 'I'
      ? null
      : message('Q', 'refused by the fault proxy\0');
  }

  errorReply(): Buffer {
    const fields = ['SERROR', 'VERROR', 'C58000', 'Mrefused by the fault proxy'];
    return message('E', `${fields.join('\0')}\0\0`);
  }

  errorReplyEnd(): Buffer {
    return message('Z', this.#status);
  }
}

function message(type: string, body: string): Buffer {
  const bytes = Buffer.alloc(5 + body.length, body);
  bytes.write(type, 0, 'latin1');
  bytes.writeUInt32BE(4 + body.length, 1);
  bytes.write(body, 5, 'latin1');
  return bytes;
}
