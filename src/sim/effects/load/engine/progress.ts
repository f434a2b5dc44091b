/** The last second and a half of a load, for the live view: three half-second windows, the oldest dropped. */
import type { OperationRecord } from '../../../history.ts';
import { LatencyHistogram } from '../../../pure/measure/histogram.ts';

export const WINDOW_MS = 500;
const WINDOWS = 3;

interface Window {
  endUs: number;
  startedCount: number;
  answered: number;
  errors: number;
  readonly latency: LatencyHistogram;
  readonly lag: LatencyHistogram;
}

export interface ProgressFigures {
  readonly offeredPerSecond: number;
  readonly achievedPerSecond: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly errors: number;
  readonly lagP99Us: number | null;
}

export class Progress {
  readonly #windows: Window[];
  #openedUs: number;

  constructor(nowUs: number) {
    this.#openedUs = nowUs;
    this.#windows = Array.from({ length: WINDOWS }, () => ({
      endUs: nowUs,
      startedCount: 0,
      answered: 0,
      errors: 0,
      latency: new LatencyHistogram(2),
      lag: new LatencyHistogram(2),
    }));
  }

  countStarted(): void {
    this.#current.startedCount += 1;
  }

  countRecorded(record: OperationRecord): void {
    const window = this.#current;
    if (record.status !== 0) window.answered += 1;
    if (record.outcome !== 'ok') window.errors += 1;
    window.latency.record(record.doneUs - record.scheduledUs);
    if (record.sentUs !== -1) window.lag.record(record.sentUs - record.scheduledUs);
  }

  /** Arrivals that an external tool says it gave up without a send; their records follow at the end of its load. */
  countDropped(count: number): void {
    this.#current.startedCount += count;
    this.#current.errors += count;
  }

  /** The figures of all windows; then drops the oldest. */
  rotate(nowUs: number): ProgressFigures {
    this.#current.endUs = nowUs;
    const latency = new LatencyHistogram(2);
    const lag = new LatencyHistogram(2);
    const sum = { started: 0, answered: 0, errors: 0 };
    for (const window of this.#windows) {
      latency.merge(window.latency);
      lag.merge(window.lag);
      sum.started += window.startedCount;
      sum.answered += window.answered;
      sum.errors += window.errors;
    }
    const seconds = Math.max(1, nowUs - this.#openedUs) / 1e6;
    this.#dropOldestWindow();
    return {
      offeredPerSecond: sum.started / seconds,
      achievedPerSecond: sum.answered / seconds,
      p50Us: latency.quantile(0.5),
      p99Us: latency.quantile(0.99),
      errors: sum.errors,
      lagP99Us: lag.quantile(0.99),
    };
  }

  get #current(): Window {
    return this.#windows.at(-1)!;
  }

  #dropOldestWindow(): void {
    const oldest = this.#windows.shift()!;
    this.#openedUs = oldest.endUs;
    oldest.startedCount = 0;
    oldest.answered = 0;
    oldest.errors = 0;
    oldest.latency.reset();
    oldest.lag.reset();
    this.#windows.push(oldest);
  }
}
