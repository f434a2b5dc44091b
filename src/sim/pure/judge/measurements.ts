/**
 * What an arm measured beside its operations, facts and faults. With them it is in the history, so that every figure of
 * a result can be computed again.
 */
import type { ArmResult, Figure, ProcessResources } from '../../result.ts';
import type { OtherCpu } from '../measure/resources.ts';
import type { DiagnosisEvidence } from './diagnose.ts';

/** Sums over every attempt the generator starts. Read them while nothing is in flight. */
export interface InFlightTotals {
  /** Attempts recorded. */
  readonly recorded: number;
  /** Sum of the scheduled instants of all attempts started. */
  readonly scheduledSumUs: number;
  /** Sum of the instants at which they ended, minus `scheduledSumUs`. */
  readonly inFlightIntegralUs: number;
}

/** Sums since the generator was started, over all its loads; counted by itself, not from its records. */
export interface SenderTotals extends InFlightTotals {
  readonly planned: number;
  /** Attempts. Without `retries`, the operations of `planned` whose first attempt is recorded. */
  readonly recorded: number;
  readonly retries: number;
  /** Attempts that got a whole answer, whatever its status. */
  readonly completed: number;
  /** Response times of the completed ones, from the scheduled instant. */
  readonly responseSumUs: number;
  /** Digest of which attempt was scheduled when, see schedule-digest.ts. */
  readonly scheduleDigest: string;
}

/** A step of a capacity search: its operations are those of its phase. */
export interface SearchStep {
  /** Arrivals lasted that long; afterwards the queue was drained. */
  readonly durationMs: number;
  /** Index of the earlier step at the same rate that this one repeats; null for none. */
  readonly repeats: number | null;
}

/** A process that ended by a limit. */
export interface MachineLimit {
  /** `gateway.1 was killed by the kernel, out of memory`. */
  readonly what: string;
  /** The generator's own end: the history is not whole. */
  readonly isGenerator: boolean;
}

export interface ArmMeasurements {
  /** What each phase was for, with what the load found out in it. */
  readonly phaseNotes: Readonly<Record<string, string>>;
  /** Work per operation, counted by the instruments. */
  readonly costs: readonly Figure[];
  /** Steps of the capacity search; null without one. */
  readonly search: readonly SearchStep[] | null;
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
  readonly totals: SenderTotals;
  /** Processes that ended by a limit of the machine; absent: none. */
  readonly limits?: readonly MachineLimit[];
}
