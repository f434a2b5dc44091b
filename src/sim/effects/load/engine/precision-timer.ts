/**
 * A timer for an absolute instant. Node's timers count whole milliseconds, so a plain timer fires about 0.6 ms late;
 * this one fires a timer early and polls the event loop for the rest. Polling is limited to 5 % of one core, because the
 * generator shares the machine with what it measures.
 */
import type { Clock } from './monotonic-clock.ts';

/** The timer is set this much early: timers may be late by a millisecond or more. */
const EARLY_US = 1_500;
const MAX_POLLING_RATIO = 0.05;
const MAX_CREDIT_US = 20_000;

export class PrecisionTimer {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  readonly #minWaitMs: number;
  #timer: NodeJS.Timeout | null = null;
  #immediate: NodeJS.Immediate | null = null;
  #dueUs = Number.POSITIVE_INFINITY;
  #creditUs = MAX_CREDIT_US;
  #creditedAtUs: number;

  /** `minWaitMs`: the shortest timer; a longer one sends more operations at each wake-up. */
  constructor(clock: Clock, onDue: () => void, minWaitMs = 1) {
    this.#clock = clock;
    this.#onDue = onDue;
    this.#minWaitMs = minWaitMs;
    this.#creditedAtUs = clock();
  }

  /** Replaces the instant; the past means as soon as possible. Infinity switches off. */
  set(dueUs: number): void {
    this.clear();
    this.#dueUs = dueUs;
    if (dueUs !== Number.POSITIVE_INFINITY) this.#arm();
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
    this.#immediate = null;
  }

  #arm(): void {
    const nowUs = this.#clock();
    const waitUs = this.#dueUs - nowUs;
    this.#creditUs += (nowUs - this.#creditedAtUs) * MAX_POLLING_RATIO;
    this.#creditUs = Math.min(MAX_CREDIT_US, this.#creditUs);
    this.#creditedAtUs = nowUs;
    const mayPoll = this.#creditUs > 2 * EARLY_US;
    if (waitUs > 2 * EARLY_US && mayPoll) {
      this.#timer = setTimeout(
        () => this.#poll(this.#clock()),
        Math.floor((waitUs - EARLY_US) / 1000),
      );
    } else {
      const waitMs = Math.max(this.#minWaitMs, Math.ceil(waitUs / 1000));
      this.#timer = setTimeout(() => this.#fire(), Math.min(waitMs, 1_000_000));
    }
  }

  #poll(sinceUs: number): void {
    this.#timer = null;
    const nowUs = this.#clock();
    this.#creditUs -= nowUs - sinceUs;
    if (nowUs >= this.#dueUs) {
      this.#fire();
      return;
    }
    if (this.#creditUs < 0) {
      this.#arm();
      return;
    }
    this.#immediate = setImmediate(() => this.#poll(nowUs));
  }

  #fire(): void {
    this.#timer = null;
    this.#immediate = null;
    if (this.#clock() < this.#dueUs) this.#arm();
    else this.#onDue();
  }
}
