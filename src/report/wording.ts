/**
 * The sentences all formats share, so that the same fact reads the same in a terminal, a pull request, a CI
 * page and the report.
 */
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
  bytesText,
  countText,
  durationText,
  instantText,
  measureText,
  percentText,
  rateText,
  ratioText,
  timesText,
} from './format.ts';
import { type ItemKind, isExcused, type NamedArm } from './rows.ts';

export function verdictMark(verdict: Verdict): string {
  return verdict === 'pass' ? '✓' : verdict === 'fail' ? '✗' : '?';
}

export function exitText(exitCode: number): string {
  const meaning: Readonly<Record<number, string>> = {
    0: 'pass',
    97: 'verdict unknown',
    98: 'invariant violated',
    99: 'SLO missed',
    130: 'interrupted',
    143: 'terminated',
  };
  const words = meaning[exitCode];
  return words === undefined ? `exit ${exitCode}` : `exit ${exitCode}, ${words}`;
}

export function verdictWord(verdict: Verdict): string {
  return verdict === 'pass' ? 'held' : verdict === 'fail' ? 'broke' : 'unknown';
}

export function toneOf(verdict: Verdict): 'good' | 'bad' | 'doubt' {
  return verdict === 'pass' ? 'good' : verdict === 'fail' ? 'bad' : 'doubt';
}

/** A failure that was expected is not alarming: it is not painted red. */
export function itemTone(
  result: Result,
  named: NamedArm,
  item: { readonly kind: ItemKind; readonly id: string; readonly verdict: Verdict },
): 'good' | 'bad' | 'doubt' {
  return isExcused(result, named, item) ? 'doubt' : toneOf(item.verdict);
}

/** What the scenario promised of the arm, and whether it came true. */
export function expectationText(arm: ArmResult): string {
  const promised = `expected to ${arm.expected === 'unknown' ? 'be undecided' : arm.expected}`;
  if (arm.verdict === arm.expected)
    return `${promised}: it did`.replace('undecided: it did', 'undecided: it was');
  switch (arm.verdict) {
    case 'pass':
      return `${promised}, but it passed`;
    case 'fail':
      return `${promised}, but it failed`;
    case 'unknown':
      return `${promised}, but the run does not tell`;
    default:
      return arm.verdict satisfies never;
  }
}

export function errorText(arm: ArmResult): string {
  const { ok, fail, unknown } = arm.outcomes;
  const total = ok + fail + unknown;
  if (total === 0) return 'no data';
  const errors = fail + unknown;
  return errors === 0
    ? `0 of ${countText(total)}`
    : `${countText(errors)} of ${countText(total)} (${ratioText(errors / total)})`;
}

/** The measured value in the unit of its SLO. */
export function measured(slo: SloResult): string {
  return measureText(slo.measured, slo.unit);
}

/** `measured 3.9 s, limit 500 ms, n = 560`. */
export function sloText(slo: SloResult): string {
  const parts = [
    `measured ${measured(slo)}`,
    `limit ${measureText(slo.limit, slo.unit)}`,
    `n = ${countText(slo.samples)}`,
  ];
  return slo.reason === undefined ? parts.join(', ') : `${parts.join(', ')}; ${slo.reason}`;
}

export function faultVerdict(fault: FaultSummary): Verdict {
  return fault.outcome === 'healed' ? 'pass' : 'unknown';
}

/** `detected after 1.2 s, back in tolerance not shown before the next fault 1.3 s later, drained never`. */
export function recoveryText(recovery: RecoveryResult): string {
  const { detectUs, recoverUs, drainUs, watchedUs = null } = recovery;
  const missing = isOvertaken(recovery)
    ? `not shown before the next fault ${durationText(watchedUs)} later`
    : 'never';
  const after = (us: number | null, otherwise: string) =>
    us === null ? otherwise : us <= 0 ? 'at once' : `after ${durationText(us)}`;
  return `detected ${after(detectUs, 'never')}, back in tolerance ${after(recoverUs, missing)}, drained ${after(drainUs, missing)}`;
}

/** The next fault ended the watch: what had not come by then may have been about to. */
export function isOvertaken({ next }: RecoveryResult): boolean {
  return next !== undefined;
}

/** `after 4 of 4 healed, slowest back in tolerance after 1.1 s (redis-partition)`. */
export function faultsText({ name, arm }: NamedArm): string {
  const healed = arm.faults.filter(({ outcome }) => outcome === 'healed').length;
  const open = arm.recovery.filter(({ recoverUs }) => recoverUs === null);
  const never = open.filter((one) => !isOvertaken(one)).map(({ fault }) => fault);
  const overtaken = open.length - never.length;
  const told = [
    `${name} ${healed} of ${arm.faults.length} healed`,
    ...(never.length > 0 ? [`never back in tolerance after ${together(never)}`] : slowestText(arm)),
    ...(overtaken > 0
      ? [`recovery of ${countText(overtaken)} not shown before the next fault`]
      : []),
  ];
  return told.join(', ');
}

function slowestText({ recovery }: ArmResult): string[] {
  const [slowest] = recovery
    .filter(({ recoverUs }) => recoverUs !== null)
    .sort((a, b) => b.recoverUs! - a.recoverUs!);
  if (slowest === undefined) return [];
  if (slowest.recoverUs! > 0)
    return [
      `slowest back in tolerance after ${durationText(slowest.recoverUs)} (${slowest.fault})`,
    ];
  return [recovery.some(isOvertaken) ? 'back in tolerance at once' : 'never out of tolerance'];
}

/** `redis-partition, 3 gateway-kill`: those that differ in their number alone are told as one. */
export function together(faults: readonly string[]): string {
  const times = new Map<string, number>();
  for (const fault of faults) {
    const family = fault.replace(/#\d+$/, '');
    times.set(family, (times.get(family) ?? 0) + 1);
  }
  const texts = [...times].map(([name, n]) => (faults.includes(name) ? name : `${n} ${name}`));
  return texts.join(', ');
}

/** Requests a client sent for one operation: `1.02 requests each`; nothing when it never had to retry. */
export function attemptsText({ attemptsPerOperation }: NonNullable<PhaseSummary['load']>): string {
  if (attemptsPerOperation <= 1) return '';
  const each = attemptsPerOperation.toFixed(attemptsPerOperation < 1.01 ? 3 : 2);
  return `${each === '1.000' ? '1.001' : each} requests each`;
}

export function figureText(figure: DocumentedFigure, value: number | null): string {
  return figure.unit === 'us' ? durationText(value) : percentText(value);
}

export function bandText(figure: DocumentedFigure): string {
  return `${figureText(figure, figure.low)} to ${figureText(figure, figure.high)}`;
}

/** `after holds 2,600/s, 276 times before; breaks at 4,160/s`. */
export function capacityText({ name, arm }: NamedArm): string | null {
  const { capacity } = arm;
  if (capacity === null) return null;
  const times = capacity.timesBefore === null ? '' : `, ${timesText(capacity.timesBefore)} before`;
  const held =
    capacity.holdsPerSecond === null
      ? `${name} held no step`
      : `${name} holds ${rateText(capacity.holdsPerSecond)}${times}`;
  const broke =
    capacity.breaksPerSecond === null
      ? 'the search ended before it broke'
      : `breaks at ${rateText(capacity.breaksPerSecond)}`;
  return `${held}; ${broke}`;
}

export function validityMark(check: ValidityCheck): string {
  return check.ok ? '✓' : check.severity === 'warn' ? '!' : '?';
}

export function noiseText(arm: ArmResult): string {
  const ratio = arm.noise.halfMeanRatio;
  return ratio === null
    ? 'not measured'
    : `mean of the second half is ${ratio.toFixed(2)} of the first`;
}

/** The words a reader may not know, for every format that has room. */
export function definitions(arms: readonly NamedArm[]): [term: string, meaning: string][] {
  const hasFaults = arms.some(({ arm }) => arm.faults.length > 0);
  return Object.entries(hasFaults ? { ...words, ...faultWords } : words);
}

const words = {
  'response time':
    'from the instant the operation was scheduled to its whole answer; waiting counts.',
  'service time': 'from the actual send; what a tool that forgets waiting would print.',
  'send lag': 'how late the load generator sent; above its limit the run proves nothing.',
  p99: '99 of 100 operations were at most this slow. Shown from 299 samples on; p99.9 from 2,995.',
  'judged phase': 'the part of a run that enters SLOs and tables; the rest is shown only.',
  unknown:
    'the run does not tell: too few samples, a late generator, or no incident to compare with.',
  'noise floor': 'how far two halves of the same arm differ; a smaller difference means nothing.',
};

const faultWords = {
  detected:
    'from a fault to the burn-rate alert of an SLO, computed on the recorded series; never: no alert was due before the next fault.',
  'back in tolerance':
    'from a fault to the instant since which its indicator stayed within its limit; never: not in this run. A fault is watched until the next one begins; what was not shown by then is not known.',
  drained: 'from the end of a fault until no more operations were in flight than before it.',
};

export function environmentRows(result: Result): [label: string, text: string][] {
  const { environment: env } = result;
  return [
    ['machine', `${env.cpuModel}, ${countText(env.cores)} cores, ${bytesText(env.memoryBytes)}`],
    ['system', env.platform],
    ['software', [`Node ${env.node}`, ...new Set(Object.values(env.versions))].join(', ')],
    ['platform-sim', env.commit === null ? env.version : `${env.version} at ${env.commit}`],
    ['processes pinned', env.pinned ? 'yes' : 'no'],
    ['load before the run', env.loadAverage.toFixed(2)],
    ['timer jitter p99', durationText(env.timerJitterP99Us)],
    ['fsync p50', durationText(env.fsyncP50Us)],
    ['seed', String(result.seed)],
    ['started', instantText(result.startedAt)],
    ['took', durationText(result.durationMs * 1_000)],
    ['run', result.runId],
  ];
}
