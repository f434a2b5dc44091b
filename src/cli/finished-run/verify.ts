/**
 * `platform verify`: compares every file of a finished run with the manifest, computes its result again from the history
 * and the scenario, and compares that with result.json. It judges the files, not the designs: a run whose `before` fails
 * as recorded is verified.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { checkEvidence, type FileProblem, MANIFEST_FILE } from '../../sim/effects/evidence.ts';
import { CorruptHistory, readHistory } from '../../sim/effects/load/engine/read-history.ts';
import { OperatorError } from '../../sim/errors.ts';
import { resolve } from '../../sim/plan/resolve.ts';
import { exitCodes } from '../../sim/pure/exit-code.ts';
import {
  compareResults,
  type Difference,
  IncompleteHistory,
  recomputeResult,
} from '../../sim/result/recompute.ts';
import type { InvariantResult, Result } from '../../sim/result.ts';
import type { Scenario } from '../../sim/scenario.ts';
import type { Io } from '../io.ts';
import { resolveScenario } from '../sim/scenario-lookup.ts';
import { contradictions } from './contradictions.ts';
import { locateRun, readRun } from './read-run.ts';
import { RESULT_SCHEMA } from './result-versions.ts';
import { displayPath } from './write-reports.ts';

const HISTORY_FILE = 'history.ndjson.gz';
/** A longer error message would push its last line, `next:`, out of sight. */
const MAX_NAMED = 5;
const MAX_VALUE = 60;

export interface VerifyFlags {
  readonly json: boolean;
  /** The file that declares the scenario, if it is not built in. */
  readonly scenario?: string;
}

interface CheckerOutcome extends Pick<InvariantResult, 'verdict' | 'checked' | 'violations'> {
  readonly arm: string;
  readonly invariant: string;
}

interface ResultCheck {
  /** Why the result could not be computed again; null when it was. */
  readonly notRecomputed: string | null;
  /** Verdicts of result.json that do not follow from its own figures. */
  readonly contradictions: readonly string[];
  /** Between result.json and what its history gives. */
  readonly differences: readonly Difference[];
  /** The checkers of the judged arms, from the history where there is one. */
  readonly checkers: readonly CheckerOutcome[];
}

interface Verification extends ResultCheck {
  readonly run: string;
  readonly ok: boolean;
  readonly files: number;
  readonly problems: readonly FileProblem[];
  readonly ignored: readonly string[];
}

const NOTHING: ResultCheck = {
  notRecomputed: 'a file was changed',
  contradictions: [],
  differences: [],
  checkers: [],
};

export async function runVerify(
  name: string,
  flags: VerifyFlags,
  deps: { readonly scenarios: readonly Scenario[]; readonly io: Io },
): Promise<number> {
  const folder = locateRun(name);
  const { files, problems, ignored } = await checkFiles(folder);
  // A changed file proves nothing, so its figures are not read.
  const check = problems.length > 0 ? NOTHING : await checkResult(folder, flags, deps.scenarios);
  const wrong = [...check.contradictions, ...check.differences.map(describeDifference)];
  const ok = problems.length === 0 && wrong.length === 0;
  const verification = { run: displayPath(folder), ok, files, problems, ignored, ...check };
  if (flags.json) deps.io.stdout.write(`${JSON.stringify(verification, null, 2)}\n`);
  if (problems.length > 0) throw changedFilesError(folder, problems);
  if (wrong.length > 0) throw wrongResultError(folder, wrong);
  if (!flags.json) deps.io.stdout.write(formatVerified(verification));
  return exitCodes.pass;
}

async function checkFiles(folder: string) {
  const check = await checkEvidence(folder);
  if (check !== null) return check;
  throw verificationError(exitCodes.unknown, {
    what: `${displayPath(folder)} cannot be verified`,
    why: `it has no ${MANIFEST_FILE}, which a run writes when it ends`,
    next: 'platform sim <scenario>, then platform verify <scenario>',
  });
}

async function checkResult(
  folder: string,
  flags: VerifyFlags,
  scenarios: readonly Scenario[],
): Promise<ResultCheck> {
  const { result, schema } = await readRun(folder);
  const own = { ...NOTHING, contradictions: contradictions(result), checkers: checkersOf(result) };
  const notRecomputed = await explainWithoutHistory(folder);
  if (notRecomputed !== null && schema !== RESULT_SCHEMA) return { ...own, notRecomputed };
  const scenario = await findScenario(result, flags, scenarios);
  try {
    if (notRecomputed !== null) throw new IncompleteHistory(notRecomputed);
    const computed = await recomputeResult(path.join(folder, HISTORY_FILE), ({ options }) =>
      resolve(scenario, options),
    );
    return {
      ...own,
      notRecomputed: null,
      differences: compareResults(result, computed),
      checkers: checkersOf(computed),
    };
  } catch (cause) {
    const isUnreadable = cause instanceof CorruptHistory || cause instanceof IncompleteHistory;
    if (isUnreadable) throw unverifiableError(folder, cause.message, cause);
    throw cause;
  }
}

/** Null when the folder has a history that a result can be computed from. */
async function explainWithoutHistory(folder: string): Promise<string | null> {
  const history = path.join(folder, HISTORY_FILE);
  if (!existsSync(history)) return `it has no ${HISTORY_FILE}`;
  for await (const { kind } of readHistory(history)) {
    return kind === 'run' ? null : `its ${HISTORY_FILE} has no plan and no measurements`;
  }
  return `its ${HISTORY_FILE} is empty`;
}

function checkersOf({ arms }: Result): CheckerOutcome[] {
  return Object.entries(arms).flatMap(([arm, { invariants }]) =>
    invariants.map(({ id: invariant, verdict, checked, violations }) => ({
      arm,
      invariant,
      verdict,
      checked,
      violations,
    })),
  );
}

async function findScenario(
  result: Result,
  { scenario }: VerifyFlags,
  scenarios: readonly Scenario[],
): Promise<Scenario> {
  const known = scenarios.some(({ id }) => id === result.scenario);
  if (known || scenario !== undefined) {
    return await resolveScenario(scenario ?? result.scenario, scenarios);
  }
  throw verificationError(exitCodes.usage, {
    what: `the checkers of "${result.scenario}" are unknown`,
    why: 'it is not built in: it was declared in a file',
    next: 'platform verify <run> --scenario <that file>',
  });
}

function changedFilesError(folder: string, problems: readonly FileProblem[]): OperatorError {
  const named = problems
    .slice(0, MAX_NAMED)
    .map(({ path: file, problem, detail }) => `${file} ${problem} (${detail})`);
  const more = problems.length > MAX_NAMED ? `, and ${problems.length - MAX_NAMED} more` : '';
  return verificationError(exitCodes.unknown, {
    what: `${displayPath(folder)} was changed after the run`,
    why: `${named.join(', ')}${more}`,
    next: 'restore the folder, or repeat the run with the command in its report',
  });
}

function wrongResultError(folder: string, wrong: readonly string[]): OperatorError {
  const more = wrong.length > MAX_NAMED ? `, and ${wrong.length - MAX_NAMED} more` : '';
  return verificationError(exitCodes.invariant, {
    what: `result.json of ${displayPath(folder)} is not what its evidence gives`,
    why: `${wrong.slice(0, MAX_NAMED).join(', ')}${more}`,
    next: 'platform --version, and verify with the version named in the report',
  });
}

function describeDifference({ path: name, recorded, computed }: Difference): string {
  return `${name} is ${formatValue(computed)}, recorded as ${formatValue(recorded)}`;
}

function formatValue(value: unknown): string {
  if (value === undefined) return 'absent';
  const text = JSON.stringify(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}...` : text;
}

function unverifiableError(folder: string, why: string, cause?: unknown): OperatorError {
  const lines = { what: `${displayPath(folder)} cannot be verified`, why, next: 'platform list' };
  return new OperatorError(exitCodes.unknown, lines, { cause });
}

function verificationError(exitCode: number, lines: { what: string; why: string; next: string }) {
  return new OperatorError(exitCode, lines);
}

function formatVerified({ run, files, ignored, notRecomputed, checkers }: Verification): string {
  const lines = checkers.map(
    ({ arm, invariant, verdict, checked, violations }) =>
      `  ${arm}.invariant.${invariant}: ${verdict} (${violations} violations in ${checked})`,
  );
  return [
    `${run} is unchanged: ${files} files match ${MANIFEST_FILE}`,
    ...(ignored.length === 0 ? [] : [`not part of the run: ${ignored.join(', ')}`]),
    notRecomputed === null
      ? 'its result, computed again from the history, is result.json: verdicts, SLOs, latency, validity, faults'
      : `its verdicts follow from its figures; they were not computed again: ${notRecomputed}`,
    `${checkers.length} checkers${notRecomputed === null ? ', run again' : ', as recorded'}`,
    ...lines,
    '',
  ].join('\n');
}
