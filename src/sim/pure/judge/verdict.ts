/**
 * Verdicts. An arm's: its SLOs and invariants against its expectations, on a valid run. A run's: its arms together,
 * mapped to an exit code. If `before` does not show the documented failure, the run is void (97) and `after` is not
 * judged against it.
 */
import type {
  ArmName,
  ArmResult,
  DocumentedFigure,
  InvariantResult,
  SloResult,
  ValidityCheck,
  Verdict,
} from '../../result.ts';
import { exitCodes } from '../exit-code.ts';
import { compareWithLimit, parseSlo } from './slo.ts';
import { OTHER_CPU } from './validity.ts';

export interface ArmEvidence {
  readonly expected: Verdict;
  /** Ids that must fail; see Arm.mustFail. */
  readonly mustFail: readonly string[];
  readonly mayFail?: readonly string[] | undefined;
  readonly slos: readonly SloResult[];
  readonly invariants: readonly InvariantResult[];
  readonly validity: readonly ValidityCheck[];
  readonly documented: readonly DocumentedFigure[];
}

/** `failed`: ids that failed against expectation. `verdict`: what the arm itself did, expected or not. */
export interface ArmJudgement {
  readonly verdict: Verdict;
  readonly asExpected: boolean;
  readonly reason: string;
  readonly failed: readonly string[];
}

/** Of latencies and of counted work: a store that answers too late is replaced by another one. */
const MACHINE_UNITS: readonly SloResult['unit'][] = ['us', 'times', 'count'];

/** A latency, counted work, or an error ratio that holds without timeouts and 503s. */
function dependsOnMachine({ unit, objective, withoutOverload }: SloResult): boolean {
  if (MACHINE_UNITS.includes(unit)) return true;
  return withoutOverload !== undefined && compareWithLimit(withoutOverload, parseSlo(objective));
}

/**
 * With other processes on the machine, what they can cause becomes unknown when it is missed, and the reason names them:
 * latencies, timeouts, 503s, the work of falling back, and who got which part of what was asked for at one time. A wrong
 * answer stays one.
 */
export function judgeArm(evidence: ArmEvidence): ArmJudgement {
  const judgement = judgeEvidence(evidence);
  const disturbance = evidence.validity.find(({ id, ok }) => id === OTHER_CPU && !ok);
  if (judgement.asExpected || disturbance === undefined) return judgement;
  const excusable = [
    ...evidence.slos.filter(dependsOnMachine).map(({ id }) => `slo.${id}`),
    ...evidence.invariants
      .filter(({ dependsOnArrivals }) => dependsOnArrivals)
      .map(({ id }) => `invariant.${id}`),
  ];
  const { failed } = judgement;
  if (!failed.every((id) => excusable.includes(id))) return judgement;
  const reason = `${judgement.reason}, while ${disturbance.measured}`;
  const verdict = failed.length === 0 ? judgement.verdict : 'unknown';
  return { verdict, asExpected: false, failed: [], reason };
}

function judgeEvidence(evidence: ArmEvidence): ArmJudgement {
  const { slos, invariants, mustFail, mayFail = [] } = evidence;
  const allowed = [...mustFail, ...mayFail];
  const judged = [
    ...slos.map(({ id, verdict }) => ({ id, verdict, prefix: 'slo', dependsOnArrivals: false })),
    ...invariants.map(({ id, verdict, dependsOnArrivals = false }) => ({
      id,
      verdict,
      prefix: 'invariant',
      dependsOnArrivals,
    })),
  ];
  const unexpected = judged.filter(
    ({ id, verdict }) => verdict === 'fail' && !allowed.includes(id),
  );
  const failed = unexpected.map(({ id, prefix }) => `${prefix}.${id}`);
  const invalid = evidence.validity.filter((check) => !check.ok && check.severity === 'unknown');
  const anyFail = judged.some(({ verdict }) => verdict === 'fail');

  // A violated invariant counts even in an invalid run; a missed latency does not, nor what late arrivals can cause.
  const violated = unexpected.find(
    ({ prefix, dependsOnArrivals }) =>
      prefix === 'invariant' && (invalid.length === 0 || !dependsOnArrivals),
  );
  if (violated !== undefined) {
    return {
      verdict: 'fail',
      asExpected: false,
      failed,
      reason: `violates invariant ${violated.id}`,
    };
  }
  if (invalid.length > 0) {
    const [first] = invalid;
    const reason = `the run is not valid: ${first!.statement} (${first!.measured}, limit ${first!.limit})`;
    return { verdict: 'unknown', asExpected: false, failed: [], reason };
  }
  if (unexpected.length > 0) {
    return {
      verdict: 'fail',
      asExpected: false,
      failed,
      reason: describeFailures(unexpected),
    };
  }
  return evidence.expected === 'fail' ? judgeReproduction(evidence, anyFail) : judgeHolding(judged);
}

function judgeReproduction(evidence: ArmEvidence, anyFail: boolean): ArmJudgement {
  const byId = new Map<string, Verdict>(
    [...evidence.slos, ...evidence.invariants].map(({ id, verdict }) => [id, verdict]),
  );
  const missing = evidence.mustFail.filter((id) => byId.get(id) !== 'fail');
  const verdict: Verdict = anyFail
    ? 'fail'
    : missing.some((id) => byId.get(id) === 'unknown')
      ? 'unknown'
      : 'pass';
  if (missing.length > 0) {
    const held = missing.map(
      (id) => `${id} ${byId.get(id) === 'unknown' ? 'is unknown' : 'passed'}`,
    );
    const reason = `did not reproduce the documented failure: ${held.join(', ')}`;
    return { verdict, asExpected: false, failed: [], reason };
  }
  const off = evidence.documented.filter((figure) => figure.verdict !== 'pass');
  if (off.length > 0) {
    const reason = `failed, but not as documented: ${off.map(({ label }) => label).join(', ')} outside the band`;
    return { verdict: 'unknown', asExpected: false, failed: [], reason };
  }
  const documented = evidence.mustFail.map((id) => ({
    id,
    prefix: evidence.slos.some((slo) => slo.id === id) ? 'slo' : 'invariant',
  }));
  const reason = `${describeFailures(documented)}, as documented`;
  return { verdict: 'fail', asExpected: true, failed: [], reason };
}

/** `misses SLOs mean and p99 and violates invariant audit-once` */
function describeFailures(failures: readonly { id: string; prefix: string }[]): string {
  const describe = (prefix: string, verb: string, noun: string) => {
    const ids = failures.filter((one) => one.prefix === prefix).map(({ id }) => id);
    return ids.length === 0
      ? []
      : [`${verb} ${noun}${ids.length > 1 ? 's' : ''} ${joinNames(ids)}`];
  };
  return joinNames([
    ...describe('slo', 'misses', 'SLO'),
    ...describe('invariant', 'violates', 'invariant'),
  ]);
}

/** `a, b and c` */
function joinNames(ids: readonly string[]): string {
  return [ids.slice(0, -1).join(', '), ...ids.slice(-1)]
    .filter((part) => part !== '')
    .join(' and ');
}

function judgeHolding(judged: readonly { id: string; verdict: Verdict }[]): ArmJudgement {
  const undecided = judged.filter(({ verdict }) => verdict === 'unknown').map(({ id }) => id);
  if (undecided.length > 0 || judged.length === 0) {
    const reason =
      judged.length === 0 ? 'judged nothing' : `lacks data for ${joinNames(undecided)}`;
    return { verdict: 'unknown', asExpected: false, failed: [], reason };
  }
  return { verdict: 'pass', asExpected: true, failed: [], reason: 'holds every SLO and invariant' };
}

export interface RunJudgement {
  readonly verdict: Verdict;
  readonly exitCode: number;
  readonly failed: readonly string[];
}

/** Precedence of exit codes: 98 invariant, 99 SLO, 97 unknown. */
export function judgeRun(
  arms: readonly (ArmJudgement & { readonly name: ArmName; readonly expected: Verdict })[],
): RunJudgement {
  const failed = arms.flatMap((arm) => arm.failed.map((id) => `${arm.name}.${id}`));
  if (failed.some((id) => id.includes('.invariant.'))) {
    return { verdict: 'fail', exitCode: exitCodes.invariant, failed };
  }
  const isVoid = arms.some((arm) => arm.expected === 'fail' && !arm.asExpected);
  if (failed.length > 0 && !isVoid) return { verdict: 'fail', exitCode: exitCodes.slo, failed };
  if (arms.length === 0 || arms.some((arm) => !arm.asExpected)) {
    const unproven = arms.filter((arm) => !arm.asExpected).map((arm) => `${arm.name}.verdict`);
    return {
      verdict: 'unknown',
      exitCode: exitCodes.unknown,
      failed: [...new Set([...failed, ...unproven])],
    };
  }
  return { verdict: 'pass', exitCode: exitCodes.pass, failed };
}

/** The verdict in one sentence, the first line of every report. */
export function verdictSentence(
  scenario: string,
  run: RunJudgement,
  arms: Readonly<Partial<Record<ArmName, Pick<ArmResult, 'reason' | 'capacity' | 'verdict'>>>>,
): string {
  const parts = Object.entries(arms).map(([name, arm]) => `${name} ${arm.reason}`);
  const times = arms.after?.capacity?.timesBefore;
  const capacity =
    times === null || times === undefined
      ? ''
      : `; after holds at least ${Math.floor(times)} times the traffic`;
  return `${scenario} ${run.verdict}: ${parts.join('; ')}${capacity}.`;
}
