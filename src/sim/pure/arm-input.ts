/** What one arm's result is made from: its history, what it was to show, and what was observed beside it. */
import type { HistoryRecord } from '../history.ts';
import type { ArmResult, Capacity, Figure, ProcessResources } from '../result.ts';
import type { Documented, Invariant, Slo, Tolerance } from '../scenario.ts';
import type { DiagnosisEvidence } from './diagnose.ts';
import type { EarlierArms } from './judge-slos.ts';
import type { FlightLedger } from './little.ts';
import type { OtherCpu } from './resources.ts';

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
  /** What the instruments showed over the judged phase; null where nothing is to be diagnosed. */
  readonly evidence: DiagnosisEvidence | null;
  readonly calibration: ArmResult['calibration'];
  /** Judged phase only. */
  readonly resources: Readonly<Record<string, Omit<ProcessResources, 'cpuUsPerOperation'>>>;
  readonly resourceTimeline: ArmResult['resourceTimeline'];
  /** PostgreSQL's CPU over the judged phase, percent of the cores it was given. */
  readonly databaseCpuPercent: number | null;
  /** Use of the machine by others from the first judged phase on; null where it cannot be read. */
  readonly otherCpu: OtherCpu | null;
  /** What the sender counted by itself, without a record. */
  readonly totals: FlightLedger & { readonly planned: number };
  /** The generator kept its own time: an operation is scheduled when it is sent. */
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
  /** Names of the faults the drill was to apply. */
  readonly plannedFaults: readonly string[];
  /** Names of the operations that act with ended credentials: a 401 is what they are for. */
  readonly refusals: readonly string[];
  readonly tolerance: Tolerance | null;
  /** Name of the phase that recovery refers to. */
  readonly baseline: string | null;
  /** What this arm may be compared with. */
  readonly earlier: EarlierArms;
  readonly observed: ArmObservations;
}
