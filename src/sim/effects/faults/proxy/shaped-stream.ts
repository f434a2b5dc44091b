/**
 * One direction of a proxied connection: forwards bytes in order, at once or when the edge's latency and rule allow it.
 * The source is paused while the target or the queue is full, so memory is bounded.
 */
import type { Socket } from 'node:net';
import type { Shaper } from './rule.ts';

const MAX_QUEUED_BYTES = 1_048_576;
/** Timers must not overflow, however slow the edge is. */
const MAX_WAIT_MS = 60_000;

/** Bytes that waited before they were forwarded; times as of performance.now(). */
export interface Delayed {
  readonly readAtMs: number;
  /** When they would have been forwarded without a rule. */
  readonly baseMs: number;
}

/** Delays of one direction, and a counter of its bytes. */
export interface ShapingOptions {
  readonly base: Shaper | null;
  rule(): Shaper | null;
  /** `delayed`: null for bytes that did not wait. */
  onForwarded(bytes: number, delayed: Delayed | null): void;
}

interface Queued extends Delayed {
  readonly bytes: Buffer | null;
  atMs: number;
  readonly written: (() => void) | undefined;
}

export class ShapedStream {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #shaping: ShapingOptions;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #latestBaseMs = 0;
  #latestMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #isPaused = false;
  #isSourceBlocked = false;

  constructor(source: Socket, target: Socket, shaping: ShapingOptions) {
    this.#source = source;
    this.#target = target;
    this.#shaping = shaping;
    target.on('drain', () => this.#updateBackpressure());
  }

  /** `written` is called when the kernel has the bytes. */
  push(bytes: Buffer, written?: () => void): void {
    if (bytes.length === 0) return;
    const { base } = this.#shaping;
    const rule = this.#shaping.rule();
    if (base === null && rule === null && this.#queue.length === 0) {
      this.#write(bytes, written, null);
      return;
    }
    const pieceBytes = rule?.pieceBytes ?? Number.POSITIVE_INFINITY;
    for (let from = 0; from < bytes.length; from += pieceBytes) {
      const part = pieceBytes >= bytes.length ? bytes : bytes.subarray(from, from + pieceBytes);
      const nowMs = performance.now();
      const baseMs = Math.max(this.#latestBaseMs, base?.releaseAtMs(part.length, nowMs) ?? nowMs);
      this.#latestBaseMs = baseMs;
      this.#latestMs = Math.max(this.#latestMs, rule?.releaseAtMs(part.length, baseMs) ?? baseMs);
      this.#queuedBytes += part.length;
      const isLast = from + pieceBytes >= bytes.length;
      this.#queue.push({
        bytes: part,
        readAtMs: nowMs,
        baseMs,
        atMs: this.#latestMs,
        written: isLast ? written : undefined,
      });
    }
    this.#updateBackpressure();
    this.#schedule();
  }

  /** Half-close, after everything before it. */
  end(): void {
    if (this.#queue.length === 0) this.#target.end();
    else {
      this.#queue.push({
        bytes: null,
        readAtMs: this.#latestBaseMs,
        baseMs: this.#latestBaseMs,
        atMs: this.#latestMs,
        written: undefined,
      });
    }
  }

  /** Forwards bytes that wait for a cleared rule now, or when the base latency allows it. */
  releaseDelayed(): void {
    for (const one of this.#queue) one.atMs = one.baseMs;
    this.#latestMs = this.#latestBaseMs;
    this.#clearTimer();
    this.#deliver(performance.now());
  }

  /** Discards queued bytes. */
  discardQueue(): void {
    this.#clearTimer();
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** Stops reading the source for good. */
  pauseSource(): void {
    this.#isSourceBlocked = true;
    this.#updateBackpressure();
  }

  #write(bytes: Buffer, written: (() => void) | undefined, delayed: Delayed | null): void {
    if (this.#target.destroyed || this.#target.writableEnded) return;
    this.#shaping.onForwarded(bytes.length, delayed);
    if (written === undefined) {
      if (!this.#target.write(bytes)) this.#updateBackpressure();
    } else if (!this.#target.write(bytes, (error) => error ?? written()))
      this.#updateBackpressure();
  }

  #updateBackpressure(): void {
    const isFull = this.#queuedBytes > MAX_QUEUED_BYTES || this.#target.writableNeedDrain;
    const pause = this.#isSourceBlocked || isFull;
    if (pause === this.#isPaused) return;
    this.#isPaused = pause;
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
    for (const queued of ready) {
      const { bytes, written } = queued;
      if (bytes === null) {
        this.#target.end();
        continue;
      }
      this.#queuedBytes -= bytes.length;
      this.#write(bytes, written, queued);
    }
    if (this.#queue.length === 0) this.#clearTimer();
    this.#updateBackpressure();
    this.#schedule();
  }
}
