/**
 * One proxied connection: two sockets, the protocol framing between them, and the pending replies. Chunks are forwarded
 * unchanged; a chunk is split only where a request is refused or cut, or a COMMIT is held. Replies keep the order of
 * their requests, whether the server or the proxy sends them.
 */
import type { Socket } from 'node:net';
import type { Framing, PendingReply, Request } from './frames.ts';
import type { ActiveRule, RequestAction } from './rule.ts';
import { ShapedStream, type ShapingOptions } from './shaped-stream.ts';
import { resetUpstream } from './upstream.ts';

/** Without a reply by then, the client is cut anyway. */
const CUT_LIMIT_MS = 1_000;
/** How long the server's side stays open after the client was cut, so that the server can finish the request. */
const LINGER_MS = 5_000;
/** How long the reply to an awaited COMMIT is held back. */
const COMMIT_HOLD_MS = 500;
const MAX_HELD_BYTES = 262_144;

export interface ConnectionHost {
  rule(): ActiveRule | null;
  readonly toServer: ShapingOptions;
  readonly toClient: ShapingOptions;
  onDecision(kind: 'cut-reply' | 'fail-request', request: number, name: string): void;
  isCommitAwaited(): boolean;
  onCommitForwarded(): void;
  onClosed(connection: ProxyConnection): void;
}

const UNNAMED: Request = { name: 'request', isCommit: false };

export class ProxyConnection {
  readonly #host: ConnectionHost;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #framing: Framing;
  readonly #toServer: ShapedStream;
  readonly #toClient: ShapedStream;
  readonly #pending: PendingReply[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Bytes of both sides are discarded. */
  #isDropping = false;
  /** The client was cut; the server's side is still open. */
  #isLingering = false;
  #isCutting = false;
  #held: Buffer[] | null = null;
  #action: RequestAction = 'pass';
  #requestNumber = 0;
  /** The refused request whose bytes are not forwarded. */
  #refused: { reply: PendingReply | null } | null = null;
  /** The chunk being read, and its first byte that is not forwarded yet. */
  #chunk: Buffer = Buffer.alloc(0);
  #from = 0;

  constructor(host: ConnectionHost, sockets: { client: Socket; server: Socket }, framing: Framing) {
    const { client, server } = sockets;
    this.#host = host;
    this.#client = client;
    this.#server = server;
    this.#framing = framing;
    this.#toServer = new ShapedStream(client, server, host.toServer);
    this.#toClient = new ShapedStream(server, client, host.toClient);
    client.on('data', (chunk) => this.#onClientData(chunk));
    server.on('data', (chunk) => this.#onServerData(chunk));
    client.on('end', () => this.#onClientEnd());
    server.on('end', () => this.#onServerEnd());
    for (const socket of [client, server]) {
      socket.on('error', () => {}); // 'close' follows.
      socket.on('close', (hadError) => this.#onClosed(socket, hadError));
    }
  }

  /** Discards all bytes from now on. `closeServer`: only the client's side stays open. */
  dropTraffic(closeServer: boolean): void {
    this.#isDropping = true;
    this.#stop();
    if (closeServer) this.#server.destroy();
    for (const socket of [this.#client, this.#server]) socket.resume();
  }

  /** Open and silent until it is reset. */
  get isHanging(): boolean {
    return this.#isDropping && !this.#isLingering;
  }

  /** Resets both sides. */
  reset(): void {
    this.#isDropping = true;
    this.#stop();
    this.#client.resetAndDestroy();
    resetUpstream(this.#server);
  }

  /** Forwards bytes that only the cleared rule delayed; the base latency stays. */
  releaseDelayed(): void {
    this.#toServer.releaseDelayed();
    this.#toClient.releaseDelayed();
  }

  #onClientData(chunk: Buffer): void {
    if (this.#isDropping || this.#isCutting) return;
    this.#chunk = chunk;
    this.#from = 0;
    if (!this.#framing.isOpaque) this.#framing.requests(chunk, this.#requests);
    if (this.#isCutting || this.#isDropping) return;
    if (this.#refused === null) this.#forward(chunk.length);
    else if (this.#framing.isOpaque) this.reset(); // The end of the refused request cannot be found.
  }

  readonly #requests = {
    begin: (at: number) => {
      if (this.#isCutting) return;
      if (this.#refused !== null) this.#from = at; // The bytes before were no request (an empty line).
      this.#refused = null;
      this.#action = 'pass';
      const rule = this.#host.rule();
      if (rule === null) return;
      const { action, requestNumber } = rule.decide();
      this.#action = action;
      this.#requestNumber = requestNumber;
      if (action !== 'fail') return;
      this.#forward(at);
      this.#refused = { reply: null };
    },
    flush: (at: number) => {
      if (this.#isCutting || this.#refused === null) return;
      this.#refuse(null);
      this.#from = at;
    },
    end: (at: number, request: Request) => {
      if (this.#isCutting) return;
      if (this.#refused !== null) {
        this.#refuse(request);
        this.#refused = null;
        this.#from = at;
        this.#host.onDecision('fail-request', this.#requestNumber, request.name);
      } else if (this.#action === 'cut') this.#cutAfter(at, request);
      else {
        this.#expectReply('pass', request);
        if (request.isCommit && this.#host.isCommitAwaited()) this.#holdCommit(at);
      }
    },
  };

  #expectReply(kind: PendingReply['kind'], request: Request): PendingReply {
    const reply: PendingReply = { kind, request, errorReply: null, isComplete: false };
    this.#pending.push(reply);
    return reply;
  }

  /** Forwards the chunk up to `to`. */
  #forward(to: number, written?: () => void): void {
    const { length } = this.#chunk;
    const whole = this.#from === 0 && to === length;
    if (to > this.#from) {
      this.#toServer.push(whole ? this.#chunk : this.#chunk.subarray(this.#from, to), written);
    }
    this.#from = to;
  }

  /** Called when the client waits for the first answer (null), and again when the request has ended. */
  #refuse(request: Request | null): void {
    const refused = this.#refused!;
    if (refused.reply === null) {
      const isServerIdle = this.#pending.length === 0;
      const substitute = this.#framing.substituteRequest({ request, isServerIdle });
      if (substitute !== null) {
        this.#toServer.push(substitute);
        this.#expectReply('drop', UNNAMED);
      }
      refused.reply = this.#expectReply('refusal', request ?? UNNAMED);
      refused.reply.errorReply = this.#framing.errorReply(request);
    }
    refused.reply.isComplete = request !== null;
    this.#sendRefusals();
  }

  /** Sends the refusals at the head of the queue: every earlier request has been answered. */
  #sendRefusals(): void {
    for (let head = this.#pending[0]; head?.kind === 'refusal'; head = this.#pending[0]) {
      if (head.errorReply !== null) this.#toClient.push(head.errorReply);
      head.errorReply = null;
      if (!head.isComplete) return;
      const end = this.#framing.errorReplyEnd();
      if (end !== null) this.#toClient.push(end);
      this.#pending.shift();
    }
  }

  /** Forwards the whole request; the connection is cut when its reply comes. */
  #cutAfter(at: number, request: Request): void {
    this.#forward(at);
    this.#expectReply('cut', request);
    this.#isCutting = true;
    this.#toServer.pauseSource();
    this.#host.onDecision('cut-reply', this.#requestNumber, request.name);
    this.#startTimer(CUT_LIMIT_MS, () => this.#cut());
  }

  #cut(): void {
    this.#isDropping = true;
    this.#isLingering = true;
    this.#stop();
    this.#client.resetAndDestroy();
    this.#server.resume();
    this.#startTimer(LINGER_MS, () => this.#server.destroy());
  }

  #holdCommit(at: number): void {
    this.#held = [];
    this.#forward(at, () => {
      this.#host.onCommitForwarded();
      this.#startTimer(COMMIT_HOLD_MS, () => this.#passHeld());
    });
  }

  #passHeld(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const chunk of held) this.#onServerData(chunk);
  }

  #onServerData(chunk: Buffer): void {
    if (this.#isDropping) return;
    if (this.#held !== null) {
      this.#held.push(chunk);
      if (this.#held.reduce((sum, one) => sum + one.length, 0) > MAX_HELD_BYTES) this.#passHeld();
      return;
    }
    if (this.#framing.isOpaque) {
      this.#toClient.push(chunk);
      return;
    }
    let from = 0;
    const pass = (to: number) => {
      const whole = from === 0 && to === chunk.length;
      if (to > from) this.#toClient.push(whole ? chunk : chunk.subarray(from, to));
    };
    this.#framing.replies(chunk, {
      nextRequest: () => this.#pending[0]?.request,
      end: (at) => {
        const ended = this.#isDropping ? undefined : this.#pending.shift();
        if (ended === undefined) return;
        if (ended.kind === 'cut') this.#cutAtReply();
        else if (ended.kind === 'drop' || this.#pending[0]?.kind !== 'pass') {
          if (ended.kind === 'pass') pass(at);
          from = at;
          this.#sendRefusals();
        }
      },
    });
    const next = this.#pending[0]?.kind;
    if (!this.#isDropping && next !== 'drop' && next !== 'cut') pass(chunk.length);
  }

  #cutAtReply(): void {
    this.#cut();
    this.#server.end();
  }

  #onClientEnd(): void {
    if (this.#isDropping) this.#client.destroy();
    else this.#toServer.end();
  }

  #onServerEnd(): void {
    if (this.#isDropping) this.#server.destroy();
    else if (this.#held !== null) this.reset();
    else if (this.#pending[0]?.kind === 'cut') this.#cutAtReply();
    else this.#toClient.end();
  }

  #onClosed(socket: Socket, hadError: boolean): void {
    const other = socket === this.#client ? this.#server : this.#client;
    if (hadError && !this.#isDropping) this.reset();
    if (!socket.destroyed || !other.destroyed) return;
    this.#stop();
    this.#host.onClosed(this);
  }

  #startTimer(limitMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, limitMs);
    this.#timers.add(timer);
  }

  #stop(): void {
    this.#toServer.discardQueue();
    this.#toClient.discardQueue();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#held = null;
  }
}
