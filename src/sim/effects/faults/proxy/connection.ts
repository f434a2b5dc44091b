/**
 * One proxied connection: two sockets, the framing between them, and the replies the server still owes. A chunk
 * goes on as it came; it is taken apart only where a request is refused or cut, or a COMMIT must be caught.
 * Replies keep the order of their requests, whoever answers them.
 */
import type { Socket } from 'node:net';
import type { Framing, Request } from './frames.ts';
import { Line, type Shaping } from './line.ts';
import type { ActiveRule, RequestFate } from './rule.ts';

/** A reply that does not come: the client is cut anyway. */
const CUT_LIMIT_MS = 1_000;
/** How long the server's side outlives a client that was cut, to finish what it began. */
const LINGER_MS = 5_000;
/** How long the reply to an awaited COMMIT is kept from the client. */
const COMMIT_HOLD_MS = 500;
const MAX_HELD_BYTES = 262_144;

export interface ConnectionHost {
  rule(): ActiveRule | null;
  readonly toServer: Shaping;
  readonly toClient: Shaping;
  decided(kind: 'cut-reply' | 'fail-request', request: number, name: string): void;
  commitAwaited(): boolean;
  commitForwarded(): void;
  closed(connection: ProxyConnection): void;
}

/** What becomes of the server's next reply. `own`: it is not the server that answers. */
interface Owed {
  readonly kind: 'pass' | 'drop' | 'cut' | 'own';
  readonly request: Request;
  refusal: Buffer | null;
  isWhole: boolean;
}

const UNNAMED: Request = { name: 'request', commit: false };

export class ProxyConnection {
  readonly #host: ConnectionHost;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #framing: Framing;
  readonly #toServer: Line;
  readonly #toClient: Line;
  readonly #owed: Owed[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Nothing passes any more. */
  #isLost = false;
  /** The client was cut; the server may still finish. */
  #isLingering = false;
  #isCutting = false;
  #held: Buffer[] | null = null;
  #fate: RequestFate = 'pass';
  #number = 0;
  /** The refused request whose bytes are being kept from the server. */
  #withheld: { own: Owed | null } | null = null;
  /** The chunk being read, and its first byte that has not gone on. */
  #chunk: Buffer = Buffer.alloc(0);
  #from = 0;

  constructor(host: ConnectionHost, sockets: { client: Socket; server: Socket }, framing: Framing) {
    const { client, server } = sockets;
    this.#host = host;
    this.#client = client;
    this.#server = server;
    this.#framing = framing;
    this.#toServer = new Line(client, server, host.toServer);
    this.#toClient = new Line(server, client, host.toClient);
    client.on('data', (chunk) => this.#fromClient(chunk));
    server.on('data', (chunk) => this.#fromServer(chunk));
    client.on('end', () => this.#clientEnded());
    server.on('end', () => this.#serverEnded());
    for (const socket of [client, server]) {
      socket.on('error', () => {}); // 'close' follows and says so.
      socket.on('close', (hadError) => this.#closed(socket, hadError));
    }
  }

  /** From now on nothing passes. `closeServer`: only the client's side stays open. */
  lose(closeServer: boolean): void {
    this.#isLost = true;
    this.#stop();
    if (closeServer) this.#server.destroy();
    for (const socket of [this.#client, this.#server]) socket.resume();
  }

  /** Hangs until it is reset. */
  get isHanging(): boolean {
    return this.#isLost && !this.#isLingering;
  }

  /** Both sides learn at once that the connection is over. */
  reset(): void {
    this.#isLost = true;
    this.#stop();
    this.#client.resetAndDestroy();
    if (this.#server.connecting) this.#server.destroy();
    else this.#server.resetAndDestroy();
  }

  /** The rule that delayed bytes is gone; the base latency stays. */
  release(): void {
    this.#toServer.release();
    this.#toClient.release();
  }

  #fromClient(chunk: Buffer): void {
    if (this.#isLost || this.#isCutting) return;
    this.#chunk = chunk;
    this.#from = 0;
    if (!this.#framing.opaque) this.#framing.requests(chunk, this.#requests);
    if (this.#isCutting || this.#isLost) return;
    if (this.#withheld === null) this.#forward(chunk.length);
    else if (this.#framing.opaque) this.reset(); // The refused request has no end to be found.
  }

  readonly #requests = {
    begin: (at: number) => {
      if (this.#isCutting) return;
      if (this.#withheld !== null) this.#from = at; // It was no request after all.
      this.#withheld = null;
      this.#fate = 'pass';
      const rule = this.#host.rule();
      if (rule === null) return;
      const { fate, request } = rule.decide();
      this.#fate = fate;
      this.#number = request;
      if (fate !== 'fail') return;
      this.#forward(at);
      this.#withheld = { own: null };
    },
    flush: (at: number) => {
      if (this.#isCutting || this.#withheld === null) return;
      this.#refuse(null);
      this.#from = at;
    },
    end: (at: number, request: Request) => {
      if (this.#isCutting) return;
      if (this.#withheld !== null) {
        this.#refuse(request);
        this.#withheld = null;
        this.#from = at;
        this.#host.decided('fail-request', this.#number, request.name);
      } else if (this.#fate === 'cut') this.#cutAfter(at, request);
      else {
        this.#owed.push({ kind: 'pass', request, refusal: null, isWhole: false });
        if (request.commit && this.#host.commitAwaited()) this.#holdCommit(at);
      }
    },
  };

  /** Hands the chunk on up to `to`. */
  #forward(to: number, written?: () => void): void {
    const { length } = this.#chunk;
    const whole = this.#from === 0 && to === length;
    if (to > this.#from) {
      this.#toServer.push(whole ? this.#chunk : this.#chunk.subarray(this.#from, to), written);
    }
    this.#from = to;
  }

  /** Once when the client waits for the first answer, and again when the request has ended. */
  #refuse(request: Request | null): void {
    const withheld = this.#withheld!;
    if (withheld.own === null) {
      const quiet = this.#owed.length === 0;
      const substitute = this.#framing.substitute({ request, quiet });
      if (substitute !== null) {
        this.#toServer.push(substitute);
        this.#owed.push({ kind: 'drop', request: UNNAMED, refusal: null, isWhole: false });
      }
      const refusal = this.#framing.refusal(request);
      withheld.own = { kind: 'own', request: request ?? UNNAMED, refusal, isWhole: false };
      this.#owed.push(withheld.own);
    }
    withheld.own.isWhole = request !== null;
    this.#answerOwn();
  }

  /** Sends our own replies as far as everything before them has been answered. */
  #answerOwn(): void {
    for (let head = this.#owed[0]; head?.kind === 'own'; head = this.#owed[0]) {
      if (head.refusal !== null) this.#toClient.push(head.refusal);
      head.refusal = null;
      if (!head.isWhole) return;
      const closing = this.#framing.closing();
      if (closing !== null) this.#toClient.push(closing);
      this.#owed.shift();
    }
  }

  /** The whole request goes to the server; its reply, when it comes, is the sign to cut. */
  #cutAfter(at: number, request: Request): void {
    this.#forward(at);
    this.#owed.push({ kind: 'cut', request, refusal: null, isWhole: false });
    this.#isCutting = true;
    this.#toServer.block();
    this.#host.decided('cut-reply', this.#number, request.name);
    this.#after(CUT_LIMIT_MS, () => this.#cut());
  }

  #cut(): void {
    this.#isLost = true;
    this.#isLingering = true;
    this.#stop();
    this.#client.resetAndDestroy();
    this.#server.resume();
    this.#after(LINGER_MS, () => this.#server.destroy());
  }

  #holdCommit(at: number): void {
    this.#held = [];
    this.#forward(at, () => {
      this.#host.commitForwarded();
      this.#after(COMMIT_HOLD_MS, () => this.#unhold());
    });
  }

  #unhold(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const chunk of held) this.#fromServer(chunk);
  }

  #fromServer(chunk: Buffer): void {
    if (this.#isLost) return;
    if (this.#held !== null) {
      this.#held.push(chunk);
      if (this.#held.reduce((sum, one) => sum + one.length, 0) > MAX_HELD_BYTES) this.#unhold();
      return;
    }
    if (this.#framing.opaque) {
      this.#toClient.push(chunk);
      return;
    }
    let from = 0;
    const pass = (to: number) => {
      const whole = from === 0 && to === chunk.length;
      if (to > from) this.#toClient.push(whole ? chunk : chunk.subarray(from, to));
    };
    this.#framing.replies(chunk, {
      awaited: () => this.#owed[0]?.request,
      end: (at) => {
        const ended = this.#isLost ? undefined : this.#owed.shift();
        if (ended === undefined) return;
        if (ended.kind === 'cut') this.#cutAnswered();
        else if (ended.kind === 'drop' || this.#owed[0]?.kind !== 'pass') {
          if (ended.kind === 'pass') pass(at);
          from = at;
          this.#answerOwn();
        }
      },
    });
    const next = this.#owed[0]?.kind;
    if (!this.#isLost && next !== 'drop' && next !== 'cut') pass(chunk.length);
  }

  #cutAnswered(): void {
    this.#cut();
    this.#server.end();
  }

  #clientEnded(): void {
    if (this.#isLost) this.#client.destroy();
    else this.#toServer.end();
  }

  #serverEnded(): void {
    if (this.#isLost) this.#server.destroy();
    else if (this.#held !== null) this.reset();
    else if (this.#owed[0]?.kind === 'cut') this.#cutAnswered();
    else this.#toClient.end();
  }

  #closed(socket: Socket, hadError: boolean): void {
    const other = socket === this.#client ? this.#server : this.#client;
    if (hadError && !this.#isLost) this.reset();
    if (!socket.destroyed || !other.destroyed) return;
    this.#stop();
    this.#host.closed(this);
  }

  #after(limitMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, limitMs);
    this.#timers.add(timer);
  }

  #stop(): void {
    this.#toServer.close();
    this.#toClient.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#held = null;
  }
}
