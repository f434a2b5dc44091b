/** Reads k6's samples of one load while it runs and converts them to records on the run's clock. */
import { NO_FREE_USER } from '../../../pure/judge/machine-limits.ts';
import type { PlannedRequest } from '../engine/request-plan.ts';
import type { ExternalRecorder } from './external-recorder.ts';
import { type K6Sample, parseK6Line } from './k6-output.ts';
import { LineTail } from './line-tail.ts';

type Answer = Extract<K6Sample, { kind: 'answer' }>;

export interface K6Clocks {
  readonly startedUs: number;
  /** Wall clock minus the run's clock. */
  readonly wallShiftUs: number;
}

export class K6Samples {
  readonly #tail: LineTail;
  readonly #plan: readonly PlannedRequest[];
  readonly #recorder: ExternalRecorder;
  /** Answers whose body comes in a later line. */
  readonly #awaitingBody = new Map<number, Answer>();
  readonly #droppedUs: number[] = [];
  #clocks: K6Clocks = { startedUs: 0, wallShiftUs: 0 };
  #startedCount = 0;

  constructor(file: string, plan: readonly PlannedRequest[], recorder: ExternalRecorder) {
    this.#tail = new LineTail(file);
    this.#plan = plan;
    this.#recorder = recorder;
  }

  begin(clocks: K6Clocks): void {
    this.#clocks = clocks;
  }

  read(): void {
    for (const line of this.#tail.read()) {
      const sample = parseK6Line(line);
      if (sample !== null) this.#addSample(sample);
    }
  }

  /**
   * Iterations take the requests in order, so a gap before the last one is a request that k6 was interrupted in. A
   * dropped arrival took no request: it is recorded with one of the unused ones, from its instant to the load's end.
   */
  end(endUs: number): void {
    for (const answer of this.#awaitingBody.values()) this.#record(answer, null);
    this.#awaitingBody.clear();
    for (let index = 0; index < this.#startedCount; index += 1) {
      if (this.#recorder.isRecorded(index)) continue;
      this.#recorder.countStarted();
      const sentUs = this.#clocks.startedUs + this.#plan[index]!.nominalUs;
      const answer = { status: 0, error: 'cut off', sent: true, body: null };
      this.#recorder.recordResponse(index, { ...answer, sentUs, doneUs: endUs });
    }
    const unusedCount = this.#plan.length - this.#startedCount;
    for (const [position, dueUs] of this.#droppedUs.slice(0, unusedCount).entries()) {
      this.#recorder.recordNeverSent(this.#startedCount + position, dueUs, endUs, NO_FREE_USER);
    }
  }

  close(): void {
    this.#tail.close();
  }

  #addSample(sample: K6Sample): void {
    if (sample.kind === 'dropped') {
      const dueUs = sample.atUs - this.#clocks.wallShiftUs;
      for (let count = 0; count < sample.count; count += 1) this.#droppedUs.push(dueUs);
      this.#recorder.countDropped(sample.count);
      return;
    }
    if (sample.kind === 'body') {
      const answer = this.#awaitingBody.get(sample.op);
      this.#awaitingBody.delete(sample.op);
      if (answer !== undefined) this.#record(answer, sample.body);
      return;
    }
    this.#startedCount = Math.max(this.#startedCount, sample.op + 1);
    if (this.#plan[sample.op]!.capture && sample.error === null)
      this.#awaitingBody.set(sample.op, sample);
    else this.#record(sample, null);
  }

  #record({ op, endUs, durationUs, status, error, sent }: Answer, body: string | null): void {
    const doneUs = endUs - this.#clocks.wallShiftUs;
    this.#recorder.countStarted();
    this.#recorder.recordResponse(op, {
      sentUs: doneUs - durationUs,
      doneUs,
      status,
      error,
      sent,
      body,
    });
  }
}
