/**
 * What an external generator did, in the words of the history. It tells no scheduled instant, so an operation
 * counts from its send; what it was asked to send and did not is a record too, from the instant it was due until
 * it could not be sent any more. Each planned request becomes at most one record.
 */
import type { OperationRecord } from '../../../history.ts';
import { classify } from '../../../pure/outcome.ts';
import { HistoryWriter } from '../engine/history-writer.ts';
import type { Clock } from '../engine/monotonic-clock.ts';
import { Progress } from '../engine/progress.ts';
import type { PlannedRequest } from '../engine/request-plan.ts';
import type { RunSummary, SenderProgress, SenderTotals } from '../engine/sender-protocol.ts';

/** How one request went. */
export interface ToolAnswer {
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

export class ToolLedger {
  readonly #clock: Clock;
  readonly #history: HistoryWriter;
  #progress: Progress;
  #phase = '';
  #startedUs = 0;
  #before = 0;
  #plan: readonly PlannedRequest[] = [];
  #isRecorded = new Uint8Array();
  #inFlight = 0;
  #recorded = 0;
  #completed = 0;
  #responseSumUs = 0;
  #scheduledSumUs = 0;
  #ageSumUs = 0;

  constructor(historyFile: string, clock: Clock) {
    this.#clock = clock;
    this.#history = new HistoryWriter(historyFile);
    this.#progress = new Progress(clock());
  }

  begin(phase: string, plan: readonly PlannedRequest[], startedUs: number): void {
    this.#phase = phase;
    this.#plan = plan;
    this.#startedUs = startedUs;
    this.#before = this.#recorded;
    this.#isRecorded = new Uint8Array(plan.length);
    this.#progress = new Progress(this.#clock());
  }

  isRecorded(index: number): boolean {
    return this.#isRecorded[index] === 1;
  }

  /** The tool has begun with one more request; its answer follows. */
  started(): void {
    this.#inFlight += 1;
    this.#progress.started();
  }

  answered(index: number, answer: ToolAnswer): void {
    this.#inFlight -= 1;
    const { sent, status, error, body } = answer;
    const sentUs = Math.min(answer.sentUs, answer.doneUs);
    const times = { scheduledUs: sentUs, sentUs: sent ? sentUs : -1, doneUs: answer.doneUs };
    this.#record(index, { sent, status, error }, times, body);
  }

  /** Due at `dueUs` and given up at `untilUs` without a send. */
  neverSent(index: number, dueUs: number, untilUs: number): void {
    const attempt = { sent: false, status: 0, error: 'never sent' };
    const doneUs = Math.max(dueUs, untilUs);
    this.#record(index, attempt, { scheduledUs: dueUs, sentUs: -1, doneUs }, null);
  }

  totals(): SenderTotals {
    const [recorded, completed] = [this.#recorded, this.#completed];
    return {
      ...{ planned: recorded, recorded, retries: 0, completed },
      ...{ responseSumUs: this.#responseSumUs, scheduledSumUs: this.#scheduledSumUs },
      inFlightIntegralUs: this.#ageSumUs,
    };
  }

  progress(): SenderProgress {
    const figures = this.#progress.turn(this.#clock());
    return { type: 'progress', phase: this.#phase, inFlight: this.#inFlight, ...figures };
  }

  /** Everything recorded can be read from the file afterwards. */
  async end(): Promise<RunSummary> {
    await this.#history.flush();
    const planned = this.#recorded - this.#before;
    const [phase, startedUs, endedUs] = [this.#phase, this.#startedUs, this.#clock()];
    return { phase, planned, recorded: planned, retries: 0, startedUs, endedUs };
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
      ...{ kind: 'op', id, phase: this.#phase, name, user, requestId, ...times },
      ...{ outcome, status: attempt.status },
      ...(subject === undefined ? {} : { subject }),
      ...(error === null ? {} : { error }),
      ...(body === null ? {} : { body }),
    };
    this.#history.append(record);
    this.#progress.recorded(record);
    this.#recorded += 1;
    this.#scheduledSumUs += times.scheduledUs;
    this.#ageSumUs += times.doneUs - times.scheduledUs;
    if (record.status === 0) return;
    this.#completed += 1;
    this.#responseSumUs += times.doneUs - times.scheduledUs;
  }
}
