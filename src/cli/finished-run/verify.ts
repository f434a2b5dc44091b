/**
 * `platform verify`: compares every file of a finished run with the manifest, runs the checkers again on the history
 * and compares their answers with result.json. It judges the files, not the designs: a run whose `before` fails as
 * recorded is verified.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { checkEvidence, type FileProblem, MANIFEST_FILE } from '../../sim/effects/evidence.ts';
import { CorruptHistory } from '../../sim/effects/load/engine/read-history.ts';
import { OperatorError } from '../../sim/errors.ts';
import { resolve } from '../../sim/plan/resolve.ts';
import { exitCodes } from '../../sim/pure/exit-code.ts';
import { type CheckOutcome, type Recheck, recheck } from '../../sim/result/recheck.ts';
import type { Result } from '../../sim/result.ts';
import type { Scenario } from '../../sim/scenario.ts';
import type { Io } from '../io.ts';
import { resolveScenario } from '../sim/scenario-lookup.ts';
import { locateRun, readRun } from './read-run.ts';
import { displayPath } from './write-reports.ts';

const HISTORY_FILE = 'history.ndjson.gz';
/** A longer error message would push its last line, `next:`, out of sight. */
const MAX_NAMED = 5;

export interface VerifyFlags {
  readonly json: boolean;
  /** The file that declares the scenario, if it is not built in. */
  readonly scenario?: string;
}

interface Verification {
  readonly run: string;
  readonly ok: boolean;
  readonly files: number;
  readonly problems: readonly FileProblem[];
  readonly checkers: readonly Recheck[];
}

export async function runVerify(
  name: string,
  flags: VerifyFlags,
  deps: { readonly scenarios: readonly Scenario[]; readonly io: Io },
): Promise<number> {
  const folder = locateRun(name);
  const { files, problems } = await checkFiles(folder);
  // A changed file proves nothing, so the checkers do not read it.
  const checkers = problems.length > 0 ? [] : await rerunCheckers(folder, flags, deps.scenarios);
  const mismatches = checkers.filter(({ agrees }) => !agrees);
  const ok = problems.length === 0 && mismatches.length === 0;
  const verification = { run: displayPath(folder), ok, files, problems, checkers };
  if (flags.json) deps.io.stdout.write(`${JSON.stringify(verification, null, 2)}\n`);
  if (problems.length > 0) throw changedFilesError(folder, problems);
  if (mismatches.length > 0) throw mismatchError(folder, mismatches);
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

async function rerunCheckers(
  folder: string,
  flags: VerifyFlags,
  scenarios: readonly Scenario[],
): Promise<Recheck[]> {
  const { result } = await readRun(folder);
  const scenario = await findScenario(result, flags, scenarios);
  const history = path.join(folder, HISTORY_FILE);
  if (!existsSync(history)) throw unverifiableError(folder, `it has no ${HISTORY_FILE}`);
  try {
    const { invariants } = resolve(scenario, { quick: result.quick, seed: result.seed });
    return await recheck(history, invariants, result.arms);
  } catch (cause) {
    if (cause instanceof CorruptHistory) throw unverifiableError(folder, cause.message, cause);
    throw cause;
  }
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

function mismatchError(folder: string, checkers: readonly Recheck[]): OperatorError {
  const named = checkers
    .slice(0, MAX_NAMED)
    .map(
      ({ arm, invariant, recorded, found }) =>
        `${arm}.invariant.${invariant} is ${formatAnswer(found)}, recorded as ${formatAnswer(recorded)}`,
    );
  return verificationError(exitCodes.invariant, {
    what: `the checkers on the history of ${displayPath(folder)} disagree with result.json`,
    why: named.join(', '),
    next: 'platform --version, and verify with the version named in the report',
  });
}

function unverifiableError(folder: string, why: string, cause?: unknown): OperatorError {
  const lines = { what: `${displayPath(folder)} cannot be verified`, why, next: 'platform list' };
  return new OperatorError(exitCodes.unknown, lines, { cause });
}

function verificationError(exitCode: number, lines: { what: string; why: string; next: string }) {
  return new OperatorError(exitCode, lines);
}

function formatAnswer(answer: CheckOutcome | null): string {
  if (answer === null) return 'absent';
  const { verdict, checked, violations } = answer;
  return `${verdict} (${violations} violations in ${checked})`;
}

function formatVerified({ run, files, checkers }: Verification): string {
  const lines = checkers.map(
    ({ arm, invariant, found }) => `  ${arm}.invariant.${invariant}: ${formatAnswer(found)}`,
  );
  return [
    `${run} is unchanged: ${files} files match ${MANIFEST_FILE}`,
    `${checkers.length} checkers, run again on the history, agree with result.json`,
    ...lines,
    '',
  ].join('\n');
}
