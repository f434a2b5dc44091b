/** Input of an arm's result: its history, its expectations and what was observed beside the history. */
import type { HistoryRecord } from '../../history.ts';
import type { ArmResult } from '../../result.ts';
import type { Documented, Invariant, Slo, Tolerance } from '../../scenario.ts';
import type { EarlierArms } from './judge-slos.ts';
import type { ArmMeasurements } from './measurements.ts';

/** The arm as planned, and what was measured in it. */
export interface ArmObservations extends ArmMeasurements {
  readonly design: string;
  readonly description: string;
  readonly expected: ArmResult['expected'];
  readonly mustFail: readonly string[];
  readonly mayFail?: readonly string[] | undefined;
  /** The generator paced itself: an operation's scheduled instant is its send. */
  readonly timedFromSend: boolean;
}

export interface ArmInput {
  readonly history: readonly HistoryRecord[];
  readonly slos: readonly Slo[];
  readonly invariants: readonly Invariant[];
  readonly documented: readonly Documented[];
  readonly lagLimitUs: number;
  /** Substring of the statement the documented failure is about; null when it is not a statement. */
  readonly culprit: string | null;
  /** Names of the planned faults. */
  readonly plannedFaults: readonly string[];
  /** Names of the operations that use ended credentials: their expected answer is 401. */
  readonly expectedRefusals: readonly string[];
  readonly tolerance: Tolerance | null;
  /** Name of the healthy phase for recovery. */
  readonly baseline: string | null;
  /** References measured by earlier arms. */
  readonly earlierArms: EarlierArms;
  /** A rate at which `before` missed its SLO in this run; null when unknown. */
  readonly failingPerSecond: number | null;
  readonly observed: ArmObservations;
}
