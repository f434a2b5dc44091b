/** Input of an arm's result: its history, its expectations and what was observed beside the history. */
import type { HistoryRecord } from '../../history.ts';
import type { ArmResult, Capacity, Figure, ProcessResources } from '../../result.ts';
import type { Documented, Invariant, Slo, Tolerance } from '../../scenario.ts';
import type { OtherCpu } from '../measure/resources.ts';
import type { DiagnosisEvidence } from './diagnose.ts';
import type { EarlierArms } from './judge-slos.ts';
import type { InFlightTotals } from './littles-law.ts';

export interface ArmObservations {
  readonly design: string;
  readonly description: string;
  readonly expected: ArmResult['expected'];
  readonly mustFail: readonly string[];
  readonly mayFail?: readonly string[] | undefined;
  readonly phaseNotes: Readonly<Record<string, string>>;
  /** Work per operation, counted by the instruments. */
  readonly costs: readonly Figure[];
  readonly capacity: Capacity | null;
  /** Evidence from the diagnosed phase; null without a diagnosis. */
  readonly evidence: DiagnosisEvidence | null;
  readonly calibration: ArmResult['calibration'];
  /** Judged phase only. */
  readonly resources: Readonly<Record<string, Omit<ProcessResources, 'cpuUsPerOperation'>>>;
  readonly resourceTimeline: ArmResult['resourceTimeline'];
  /** PostgreSQL's CPU over the judged phase, percent of the cores it was given. */
  readonly databaseCpuPercent: number | null;
  /** CPU of other processes from the first judged phase on; null where it cannot be read. */
  readonly otherCpu: OtherCpu | null;
  /** Counted by the sender itself, independently of its records. */
  readonly totals: InFlightTotals & { readonly planned: number };
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
  readonly observed: ArmObservations;
}
