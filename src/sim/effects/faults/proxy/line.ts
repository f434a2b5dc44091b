/**
 * One direction of a proxied connection: hands bytes on in order, at once or when the edge's latency and its rule let them go.
 * The source is paused while the target or the queue is full, so memory is bounded whatever either side does.
 */
import type { Socket } from 'node:net';
import type { Shaper } from './rule.ts';

const MAX_QUEUED_BYTES = 1_048_576;
/** Timers must not overflow, however slow the edge is. */
const MAX_WAIT_MS = 60_000;

/** What delays one direction, and who counts its bytes. */
export interface Shaping {
  readonly base: Shaper | null;
  rule(): Shaper | null;
  forwarded(bytes: number): void;
}

interface Queued {
  readonly bytes: Buffer | null;
  /** When they would go on without a rule. */
  readonly baseMs: number;
  atMs: number;
  readonly written: (() => void) | undefined;
}

export class Line {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #shaping: Shaping;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #latestBaseMs = 0;
  #latestMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #paused = false;
  #blocked = false;

  constructor(source: Socket, target: Socket, shaping: Shaping) {
    this.#source = source;
    this.#target = target;
    this.#shaping = shaping;
    target.on('drain', () => this.#adjust());
  }

  /** `written` is called when the bytes are with the kernel. */
  push(bytes: Buffer, written?: () => void): void {
    if (bytes.length === 0) return;
    const { base } = this.#shaping;
    const rule = this.#shaping.rule();
    if (base === null && rule === null && this.#queue.length === 0) {
      this.#write(bytes, written);
      return;
    }
    const pieceBytes = rule?.pieceBytes ?? Number.POSITIVE_INFINITY;
    for (let from = 0; from < bytes.length; from += pieceBytes) {
      const part = pieceBytes >= bytes.length ? bytes : bytes.subarray(from, from + pieceBytes);
      const nowMs = performance.now();
      const baseMs = Math.max(this.#latestBaseMs, base?.untilMs(part.length, nowMs) ?? nowMs);
      this.#latestBaseMs = baseMs;
      this.#latestMs = Math.max(this.#latestMs, rule?.untilMs(part.length, baseMs) ?? baseMs);
      this.#queuedBytes += part.length;
      const isLast = from + pieceBytes >= bytes.length;
      this.#queue.push({
        bytes: part,
        baseMs,
        atMs: this.#latestMs,
        written: isLast ? written : undefined,
      });
    }
    this.#adjust();
    this.#schedule();
  }

  /** Half-close, after everything before it. */
  end(): void {
    if (this.#queue.length === 0) this.#target.end();
    else {
      const [baseMs, atMs] = [this.#latestBaseMs, this.#latestMs];
      this.#queue.push({ bytes: null, baseMs, atMs, written: undefined });
    }
  }

  /** The rule is gone: what waits for it goes on now, or when the base latency lets it. */
  release(): void {
    for (const one of this.#queue) one.atMs = one.baseMs;
    this.#latestMs = this.#latestBaseMs;
    this.#clearTimer();
    this.#deliver(performance.now());
  }

  /** Drops what waits. */
  close(): void {
    this.#clearTimer();
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** Stops reading the source, whatever the queue says. */
  block(): void {
    this.#blocked = true;
    this.#adjust();
  }

  #write(bytes: Buffer, written: (() => void) | undefined): void {
    if (this.#target.destroyed || this.#target.writableEnded) return;
    this.#shaping.forwarded(bytes.length);
    if (written === undefined) {
      if (!this.#target.write(bytes)) this.#adjust();
    } else if (!this.#target.write(bytes, (error) => error ?? written())) this.#adjust();
  }

  #adjust(): void {
    const full = this.#queuedBytes > MAX_QUEUED_BYTES || this.#target.writableNeedDrain;
    const pause = this.#blocked || full;
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#source.pause();
    else this.#source.resume();
  }

  #schedule(): void {
    if (this.#timer !== null || this.#queue.length === 0) return;
    const waitMs = Math.min(MAX_WAIT_MS, this.#queue[0]!.atMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#deliver(performance.now());
    }, waitMs);
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #deliver(nowMs: number): void {
    // Timers fire up to a millisecond early.
    const due = this.#queue.findIndex((one) => one.atMs > nowMs + 1);
    const ready = this.#queue.splice(0, due === -1 ? this.#queue.length : due);
    for (const { bytes, written } of ready) {
      if (bytes === null) {
        this.#target.end();
        continue;
      }
      this.#queuedBytes -= bytes.length;
      this.#write(bytes, written);
    }
    if (this.#queue.length === 0) this.#clearTimer();
    this.#adjust();
    this.#schedule();
  }
}
