/**
 * Protocol framing for the fault proxy: where a request begins and ends in the client's bytes, where a reply ends in the
 * server's, and how the protocol reports an error. Framing keeps no payload. Bytes it cannot parse (TLS, an upgrade,
 * garbage) make the connection opaque: from then on it passes unchanged.
 */
export type Protocol = 'http' | 'resp' | 'postgres';

export interface Request {
  /** For reports: `POST /login`, `GETEX`, `UPDATE`. Never an argument's value. */
  readonly name: string;
  /** Asks PostgreSQL to commit a transaction. */
  readonly isCommit: boolean;
}

/** Offsets are into the chunk being read; a request may begin in one and end in a later one. */
export interface RequestSink {
  begin(at: number): void;
  /** The client waits for replies although its request has not ended (PostgreSQL's Flush). */
  flush(at: number): void;
  end(at: number, request: Request): void;
}

/** A request that is refused instead of forwarded. */
export interface RefusedRequest {
  /** Null until its end is read. */
  readonly request: Request | null;
  /** No reply of the server is pending. */
  readonly isServerIdle: boolean;
}

export interface ReplySink {
  /** The request whose reply comes next; undefined when none is pending. */
  nextRequest(): Request | undefined;
  end(at: number): void;
}

export interface Framing {
  readonly isOpaque: boolean;
  requests(chunk: Buffer, sink: RequestSink): void;
  replies(chunk: Buffer, sink: ReplySink): void;
  /** Sent to the server in place of a refused request, so that an open transaction fails there as well. */
  substituteRequest(withheld: RefusedRequest): Buffer | null;
  errorReply(request: Request | null): Buffer;
  /** Ends the error reply; read when every earlier request has been answered. */
  errorReplyEnd(): Buffer | null;
}

/** What happens to the next reply. `refusal`: the proxy sends it, not the server. */
export interface PendingReply {
  readonly kind: 'pass' | 'drop' | 'cut' | 'refusal';
  readonly request: Request;
  /** Bytes of the error reply that are not sent yet. */
  errorReply: Buffer | null;
  /** The request has been read to its end. */
  isComplete: boolean;
}
