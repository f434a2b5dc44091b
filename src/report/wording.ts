/** The sentences that all formats share. */

import { exitCodeMeaning } from '../sim/pure/exit-code.ts';
import type {
  ArmResult,
  DocumentedFigure,
  FaultSummary,
  PhaseSummary,
  RecoveryResult,
  Result,
  SloResult,
  ValidityCheck,
  Verdict,
} from '../sim/result.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatInstant,
  formatMeasure,
  formatPercent,
  formatRate,
  formatRatio,
  formatTimes,
} from './format.ts';
import { type ItemKind, isExpectedFailure, type NamedArm } from './rows.ts';

export function verdictMark(verdict: Verdict): string {
  return verdict === 'pass' ? '✓' : verdict === 'fail' ? '✗' : '?';
}

export function formatExitCode(exitCode: number): string {
  const words = exitCodeMeaning(exitCode);
  return words === null ? `exit ${exitCode}` : `exit ${exitCode}, ${words}`;
}

export function verdictWord(verdict: Verdict): string {
  return verdict === 'pass' ? 'held' : verdict === 'fail' ? 'broke' : 'unknown';
}

export function toneOf(verdict: Verdict): 'good' | 'bad' | 'doubt' {
  return verdict === 'pass' ? 'good' : verdict === 'fail' ? 'bad' : 'doubt';
}

/** An expected failure is not shown in red. */
export function itemTone(
  result: Result,
  named: NamedArm,
  item: { readonly kind: ItemKind; readonly id: string; readonly verdict: Verdict },
): 'good' | 'bad' | 'doubt' {
  return isExpectedFailure(result, named, item) ? 'doubt' : toneOf(item.verdict);
}

/** `failed`: the `failed` list of the result. It may name an arm that failed, as it should, but for other reasons. */
export function formatExpectation({ name, arm }: NamedArm, failed: readonly string[]): string {
  const { verdict, expected } = arm;
  if (verdict !== expected)
    return `${verdictPast(verdict)}, but was expected to ${expected === 'unknown' ? 'be undecided' : expected}`;
  const isUnexpected = failed.some((id) => id.startsWith(`${name}.`));
  return `${verdictPast(verdict)}, ${isUnexpected ? 'but not as expected' : 'as expected'}`;
}

function verdictPast(verdict: Verdict): string {
  return verdict === 'pass' ? 'passed' : verdict === 'fail' ? 'failed' : 'undecided';
}

export function formatErrors(arm: ArmResult): string {
  const { ok, fail, unknown } = arm.outcomes;
  const total = ok + fail + unknown;
  if (total === 0) return 'no data';
  const errors = fail + unknown;
  return errors === 0
    ? `0 of ${formatCount(total)}`
    : `${formatCount(errors)} of ${formatCount(total)} (${formatRatio(errors / total)})`;
}

/** The measured value in the unit of its SLO. */
export function formatMeasured(slo: SloResult): string {
  return formatMeasure(slo.measured, slo.unit);
}

/** `measured 3.9 s, limit 500 ms, n = 560`. */
export function formatSlo(slo: SloResult): string {
  const parts = [
    `measured ${formatMeasured(slo)}`,
    `limit ${formatMeasure(slo.limit, slo.unit)}`,
    `n = ${formatCount(slo.samples)}`,
  ];
  return slo.reason === undefined ? parts.join(', ') : `${parts.join(', ')}; ${slo.reason}`;
}

export function faultVerdict(fault: FaultSummary): Verdict {
  return fault.outcome === 'healed' ? 'pass' : 'unknown';
}

/** `detected after 1.2 s, back in tolerance not shown before the next fault 1.3 s later, never drained`. */
export function formatRecovery(recovery: RecoveryResult): string {
  const { detectUs, recoverUs, drainUs, watchedUs = null } = recovery;
  const notShown = isEndedByNextFault(recovery)
    ? `not shown before the next fault ${formatDuration(watchedUs)} later`
    : null;
  const describe = (what: string, us: number | null, missing: string | null) => {
    if (us !== null) return `${what} ${us <= 0 ? 'at once' : `after ${formatDuration(us)}`}`;
    return missing === null ? `never ${what}` : `${what} ${missing}`;
  };
  return [
    describe('detected', detectUs, null),
    describe('back in tolerance', recoverUs, notShown),
    describe('drained', drainUs, notShown),
  ].join(', ');
}

/** The next fault ended the observation, so a recovery that is missing may only have been late. */
export function isEndedByNextFault({ next }: RecoveryResult): boolean {
  return next !== undefined;
}

/** `after 4 of 4 healed, slowest back in tolerance after 1.1 s (redis-partition)`. */
export function formatFaults({ name, arm }: NamedArm): string {
  const healed = arm.faults.filter(({ outcome }) => outcome === 'healed').length;
  const open = arm.recovery.filter(({ recoverUs }) => recoverUs === null);
  const never = open.filter((recovery) => !isEndedByNextFault(recovery)).map(({ fault }) => fault);
  const notShown = open.length - never.length;
  const parts = [
    `${name} ${healed} of ${arm.faults.length} healed`,
    ...(never.length > 0
      ? [`never back in tolerance after ${formatFaultNames(never)}`]
      : formatSlowest(arm)),
    ...(notShown > 0
      ? [`recovery of ${formatCount(notShown)} not shown before the next fault`]
      : []),
  ];
  return parts.join(', ');
}

function formatSlowest({ recovery }: ArmResult): string[] {
  const [slowest] = recovery
    .filter(({ recoverUs }) => recoverUs !== null)
    .sort((a, b) => b.recoverUs! - a.recoverUs!);
  if (slowest === undefined) return [];
  if (slowest.recoverUs! > 0)
    return [
      `slowest back in tolerance after ${formatDuration(slowest.recoverUs)} (${slowest.fault})`,
    ];
  return [
    recovery.some(isEndedByNextFault) ? 'back in tolerance at once' : 'never out of tolerance',
  ];
}

/** `redis-partition, 3 gateway-kill`: the faults of a family are counted. */
export function formatFaultNames(faults: readonly string[]): string {
  const times = new Map<string, number>();
  for (const fault of faults) {
    const family = fault.replace(/#\d+$/, '');
    times.set(family, (times.get(family) ?? 0) + 1);
  }
  const texts = [...times].map(([name, n]) => (faults.includes(name) ? name : `${n} ${name}`));
  return texts.join(', ');
}

/** Requests for one operation: `1.02 requests each`; empty without retries. */
export function formatAttempts({
  attemptsPerOperation,
}: NonNullable<PhaseSummary['load']>): string {
  if (attemptsPerOperation <= 1) return '';
  const each = attemptsPerOperation.toFixed(attemptsPerOperation < 1.01 ? 3 : 2);
  return `${each === '1.000' ? '1.001' : each} requests each`;
}

export function formatFigure(figure: DocumentedFigure, value: number | null): string {
  return figure.unit === 'us' ? formatDuration(value) : formatPercent(value);
}

export function formatBand(figure: DocumentedFigure): string {
  return `${formatFigure(figure, figure.low)} to ${formatFigure(figure, figure.high)}`;
}

/** `after holds 2,600/s, 276 times before; breaks at 4,160/s`. */
export function formatCapacity({ name, arm }: NamedArm): string | null {
  const { capacity } = arm;
  if (capacity === null) return null;
  const times =
    capacity.timesBefore === null ? '' : `, ${formatTimes(capacity.timesBefore)} before`;
  const held =
    capacity.holdsPerSecond === null
      ? `${name} held no step`
      : `${name} holds ${formatRate(capacity.holdsPerSecond)}${times}`;
  const broke =
    capacity.breaksPerSecond === null
      ? 'the search ended before it broke'
      : `breaks at ${formatRate(capacity.breaksPerSecond)}`;
  return `${held}; ${broke}`;
}

export function validityMark(check: ValidityCheck): string {
  return check.ok ? '✓' : check.severity === 'warn' ? '!' : '?';
}

export function formatNoise(arm: ArmResult): string {
  const ratio = arm.noise.halfMeanRatio;
  return ratio === null
    ? 'not measured'
    : `mean of the second half is ${ratio.toFixed(2)} of the first`;
}

/** The glossary of the report. */
export function glossaryOf(arms: readonly NamedArm[]): [term: string, meaning: string][] {
  const hasFaults = arms.some(({ arm }) => arm.faults.length > 0);
  return Object.entries(hasFaults ? { ...words, ...describeFault } : words);
}

const words = {
  'response time':
    'from the instant the operation was scheduled to its whole answer; waiting counts.',
  'service time':
    'from the actual send to the whole answer; it leaves out the wait before the send.',
  'send lag': 'how late the load generator sent; above its limit the run proves nothing.',
  p99: '99 of 100 operations were at most this slow. Shown from 299 samples on; p99.9 from 2,995.',
  'judged phase': 'the part of a run that enters SLOs and tables; the rest is shown only.',
  unknown:
    'the run proves nothing: too few samples, a late generator, or no documented failure to compare with.',
  'noise floor': 'how far two halves of the same arm differ; a smaller difference means nothing.',
};

const describeFault = {
  detected:
    'from a fault to the burn-rate alert of an SLO, computed from the recorded series; never: no alert fired before the next fault.',
  'back in tolerance':
    'from a fault to the instant from which its indicator stayed within its limit; never: not in this run. A fault is observed until the next one begins; a recovery after that is not known.',
  drained: 'from the end of a fault until no more operations were in flight than before it.',
};

export function environmentRows(result: Result): [label: string, text: string][] {
  const { environment: env } = result;
  return [
    [
      'machine',
      `${env.cpuModel}, ${formatCount(env.cores)} cores, ${formatBytes(env.memoryBytes)}`,
    ],
    ['system', env.platform],
    ['software', [`Node ${env.node}`, ...new Set(Object.values(env.versions))].join(', ')],
    ['platform-sim', env.commit === null ? env.version : `${env.version} at ${env.commit}`],
    ['processes pinned', env.pinned ? 'yes' : 'no'],
    ['load before the run', env.loadAverage.toFixed(2)],
    ['timer jitter p99', formatDuration(env.timerJitterP99Us)],
    ['fsync p50', formatDuration(env.fsyncP50Us)],
    ['seed', String(result.seed)],
    ['started', formatInstant(result.startedAt)],
    ['took', formatDuration(result.durationMs * 1_000)],
    ['run', result.runId],
  ];
}
