/** k6's samples of one load, read as they come and turned into records on the run's own clock. */

import type { PlannedRequest } from '../engine/request-plan.ts';
import { type K6Sample, parseK6Line } from './k6-output.ts';
import { LineTail } from './line-tail.ts';
import type { ToolLedger } from './tool-ledger.ts';

type Answer = Extract<K6Sample, { kind: 'answer' }>;

export interface K6Clocks {
  readonly startedUs: number;
  /** Wall clock minus ours. */
  readonly wallShiftUs: number;
}

export class K6Samples {
  readonly #tail: LineTail;
  readonly #plan: readonly PlannedRequest[];
  readonly #ledger: ToolLedger;
  /** Answers whose body is a later line. */
  readonly #held = new Map<number, Answer>();
  readonly #droppedUs: number[] = [];
  #clocks: K6Clocks = { startedUs: 0, wallShiftUs: 0 };
  #begun = 0;

  constructor(file: string, plan: readonly PlannedRequest[], ledger: ToolLedger) {
    this.#tail = new LineTail(file);
    this.#plan = plan;
    this.#ledger = ledger;
  }

  begin(clocks: K6Clocks): void {
    this.#clocks = clocks;
  }

  read(): void {
    for (const line of this.#tail.read()) {
      const sample = parseK6Line(line);
      if (sample !== null) this.#take(sample);
    }
  }

  /**
   * Iterations take the requests in order, so a gap before the last one is a request that k6 was interrupted in.
   * An arrival it dropped took none: it gets one of those left over, from its instant to the end of the load.
   */
  end(endUs: number): void {
    for (const answer of this.#held.values()) this.#record(answer, null);
    this.#held.clear();
    for (let index = 0; index < this.#begun; index += 1) {
      if (this.#ledger.isRecorded(index)) continue;
      this.#ledger.started();
      const sentUs = this.#clocks.startedUs + this.#plan[index]!.nominalUs;
      const answer = { status: 0, error: 'cut off', sent: true, body: null };
      this.#ledger.answered(index, { ...answer, sentUs, doneUs: endUs });
    }
    const left = this.#plan.length - this.#begun;
    for (const [position, dueUs] of this.#droppedUs.slice(0, left).entries()) {
      this.#ledger.neverSent(this.#begun + position, dueUs, endUs);
    }
  }

  close(): void {
    this.#tail.close();
  }

  #take(sample: K6Sample): void {
    if (sample.kind === 'dropped') {
      const dueUs = sample.atUs - this.#clocks.wallShiftUs;
      for (let count = 0; count < sample.count; count += 1) this.#droppedUs.push(dueUs);
      return;
    }
    if (sample.kind === 'body') {
      const answer = this.#held.get(sample.op);
      this.#held.delete(sample.op);
      if (answer !== undefined) this.#record(answer, sample.body);
      return;
    }
    this.#begun = Math.max(this.#begun, sample.op + 1);
    if (this.#plan[sample.op]!.capture && sample.error === null) this.#held.set(sample.op, sample);
    else this.#record(sample, null);
  }

  #record({ op, endUs, durationUs, status, error, sent }: Answer, body: string | null): void {
    const doneUs = endUs - this.#clocks.wallShiftUs;
    this.#ledger.started();
    this.#ledger.answered(op, { sentUs: doneUs - durationUs, doneUs, status, error, sent, body });
  }
}
