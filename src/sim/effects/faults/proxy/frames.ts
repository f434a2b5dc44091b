/**
 * What the fault proxy must know of a protocol: where a request begins and ends in the client's bytes, where a
 * reply ends in the server's, and how the protocol says no. Framing only looks: it holds no payload, and bytes it
 * cannot follow (TLS, an upgrade, garbage) make the connection opaque, which then passes untouched.
 */
export type Protocol = 'http' | 'resp' | 'postgres';

export interface Request {
  /** For a person: `POST /login`, `GETEX`, `UPDATE`. Never an argument's value. */
  readonly name: string;
  /** Asks PostgreSQL to commit a transaction. */
  readonly commit: boolean;
}

/** Offsets are into the chunk being read; a request may begin in one and end in a later one. */
export interface RequestSink {
  begin(at: number): void;
  /** The client now waits for answers although its request goes on (PostgreSQL's Flush). */
  flush(at: number): void;
  end(at: number, request: Request): void;
}

/** A request that is refused instead of forwarded. */
export interface Withheld {
  /** Null while it goes on. */
  readonly request: Request | null;
  /** The server owes no reply. */
  readonly quiet: boolean;
}

export interface ReplySink {
  /** The request whose reply comes next; undefined when nothing is owed. */
  awaited(): Request | undefined;
  end(at: number): void;
}

export interface Framing {
  readonly opaque: boolean;
  requests(chunk: Buffer, sink: RequestSink): void;
  replies(chunk: Buffer, sink: ReplySink): void;
  /** Sent to the server in place of a refused request, so that an open transaction fails there as well. */
  substitute(withheld: Withheld): Buffer | null;
  refusal(request: Request | null): Buffer;
  /** Ends the refusal's reply; read when everything before it has been answered. */
  closing(): Buffer | null;
}
