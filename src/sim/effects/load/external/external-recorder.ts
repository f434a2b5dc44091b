/**
 * Records the requests of an external generator in the history. The tool reports no scheduled instant, so latency counts
 * from the send. A planned request that was not sent is a record as well, from its due instant to the end of the load. At
 * most one record for each planned request.
 */
import type { OperationRecord } from '../../../history.ts';
import type { SenderTotals } from '../../../pure/judge/measurements.ts';
import { classify } from '../../../pure/measure/outcome.ts';
import { ScheduleDigest } from '../../../pure/measure/schedule-digest.ts';
import { HistoryWriter } from '../engine/history-writer.ts';
import type { Clock } from '../engine/monotonic-clock.ts';
import { Progress } from '../engine/progress.ts';
import type { PlannedRequest } from '../engine/request-plan.ts';
import type { RunSummary, SenderProgress } from '../engine/sender-protocol.ts';

/** Outcome of one request. */
export interface ExternalResponse {
  readonly sentUs: number;
  readonly doneUs: number;
  /** 0 when no answer began. */
  readonly status: number;
  /** Why there is no whole answer, or null. */
  readonly error: string | null;
  readonly body: string | null;
  /** False when it failed before a byte was on its way. */
  readonly sent: boolean;
}

export class ExternalRecorder {
  readonly #clock: Clock;
  readonly #history: HistoryWriter;
  #progress: Progress;
  #phase = '';
  #startedUs = 0;
  #recordedBefore = 0;
  #plan: readonly PlannedRequest[] = [];
  #isRecorded = new Uint8Array();
  #inFlight = 0;
  #recorded = 0;
  #completed = 0;
  #responseSumUs = 0;
  #scheduledSumUs = 0;
  #inFlightIntegralUs = 0;
  readonly #schedule = new ScheduleDigest();

  constructor(historyFile: string, clock: Clock) {
    this.#clock = clock;
    this.#history = new HistoryWriter(historyFile);
    this.#progress = new Progress(clock());
  }

  beginLoad(phase: string, plan: readonly PlannedRequest[], startedUs: number): void {
    this.#phase = phase;
    this.#plan = plan;
    this.#startedUs = startedUs;
    this.#recordedBefore = this.#recorded;
    this.#isRecorded = new Uint8Array(plan.length);
    this.#progress = new Progress(this.#clock());
  }

  isRecorded(index: number): boolean {
    return this.#isRecorded[index] === 1;
  }

  /** The tool has started one more request; recordResponse follows. */
  countStarted(): void {
    this.#inFlight += 1;
    this.#progress.countStarted();
  }

  /** The tool gave up arrivals without a send; recordNeverSent follows when the load has ended. */
  countDropped(count: number): void {
    this.#progress.countDropped(count);
  }

  recordResponse(index: number, answer: ExternalResponse): void {
    this.#inFlight -= 1;
    const { sent, status, error, body } = answer;
    const sentUs = Math.min(answer.sentUs, answer.doneUs);
    const times = { scheduledUs: sentUs, sentUs: sent ? sentUs : -1, doneUs: answer.doneUs };
    this.#record(index, { sent, status, error }, times, body);
  }

  /** Due at `dueUs` and given up at `untilUs` without a send. */
  recordNeverSent(index: number, dueUs: number, untilUs: number, error = 'never sent'): void {
    const attempt = { sent: false, status: 0, error };
    const doneUs = Math.max(dueUs, untilUs);
    this.#record(index, attempt, { scheduledUs: dueUs, sentUs: -1, doneUs }, null);
  }

  totals(): SenderTotals {
    return {
      planned: this.#recorded,
      recorded: this.#recorded,
      retries: 0,
      completed: this.#completed,
      responseSumUs: this.#responseSumUs,
      scheduledSumUs: this.#scheduledSumUs,
      inFlightIntegralUs: this.#inFlightIntegralUs,
      scheduleDigest: this.#schedule.text,
    };
  }

  progress(): SenderProgress {
    const figures = this.#progress.rotate(this.#clock());
    return { type: 'progress', phase: this.#phase, inFlight: this.#inFlight, ...figures };
  }

  /** Everything recorded can be read from the file afterwards. */
  async finishLoad(): Promise<RunSummary> {
    await this.#history.flush();
    const planned = this.#recorded - this.#recordedBefore;
    return {
      phase: this.#phase,
      planned,
      recorded: planned,
      retries: 0,
      startedUs: this.#startedUs,
      endedUs: this.#clock(),
    };
  }

  close(): Promise<void> {
    return this.#history.close();
  }

  #record(
    index: number,
    attempt: { sent: boolean; status: number; error: string | null },
    times: Pick<OperationRecord, 'scheduledUs' | 'sentUs' | 'doneUs'>,
    body: string | null,
  ): void {
    if (this.#isRecorded[index] === 1) return;
    this.#isRecorded[index] = 1;
    const { id, name, user, requestId, subject } = this.#plan[index]!;
    const { outcome, error } = classify(attempt);
    const record: OperationRecord = {
      kind: 'op',
      id,
      phase: this.#phase,
      name,
      user,
      requestId,
      ...times,
      outcome,
      status: attempt.status,
      ...(subject === undefined ? {} : { subject }),
      ...(error === null ? {} : { error }),
      ...(body === null ? {} : { body }),
    };
    this.#history.append(record);
    this.#progress.countRecorded(record);
    this.#recorded += 1;
    this.#schedule.add({ id, name, scheduledUs: times.scheduledUs });
    this.#scheduledSumUs += times.scheduledUs;
    this.#inFlightIntegralUs += times.doneUs - times.scheduledUs;
    if (record.status === 0) return;
    this.#completed += 1;
    this.#responseSumUs += times.doneUs - times.scheduledUs;
  }
}
