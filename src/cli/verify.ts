/**
 * `platform verify`: is a finished run still the evidence it was? Every file against the manifest, then the
 * checkers once more on the history, against what result.json says they found. It judges the evidence, not the
 * designs: a run whose `before` fails as recorded is verified.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { checkEvidence, type FileProblem, MANIFEST_FILE } from '../sim/effects/evidence.ts';
import { CorruptHistory } from '../sim/effects/load/engine/read-history.ts';
import { OperatorError } from '../sim/errors.ts';
import { EXIT } from '../sim/pure/verdict.ts';
import { type CheckerAnswer, type Recheck, recheck } from '../sim/recheck.ts';
import { resolve } from '../sim/resolve.ts';
import type { Result } from '../sim/result.ts';
import type { Scenario } from '../sim/scenario.ts';
import type { Io } from './io.ts';
import { locateRun, readRun } from './run-reader.ts';
import { resolveScenario } from './scenario-lookup.ts';
import { shownPath } from './write-reports.ts';

const HISTORY_FILE = 'history.ndjson.gz';
/** More names than these would hide the `next:` line. */
const NAMED = 5;

export interface VerifyFlags {
  readonly json: boolean;
  /** Where the scenario is declared, if it is not one of ours. */
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
  const { files, problems } = await wholeness(folder);
  // Nothing can be concluded from files that are not what was written.
  const checkers = problems.length > 0 ? [] : await rerun(folder, flags, deps.scenarios);
  const disagreeing = checkers.filter(({ agrees }) => !agrees);
  const ok = problems.length === 0 && disagreeing.length === 0;
  const verification = { run: shownPath(folder), ok, files, problems, checkers };
  if (flags.json) deps.io.stdout.write(`${JSON.stringify(verification, null, 2)}\n`);
  if (problems.length > 0) throw notWhole(folder, problems);
  if (disagreeing.length > 0) throw disagreement(folder, disagreeing);
  if (!flags.json) deps.io.stdout.write(verified(verification));
  return EXIT.pass;
}

async function wholeness(folder: string) {
  const check = await checkEvidence(folder);
  if (check !== null) return check;
  throw refusal(EXIT.unknown, {
    what: `${shownPath(folder)} cannot be verified`,
    why: `it has no ${MANIFEST_FILE}, which a run writes when it ends`,
    next: 'platform sim <scenario>, then platform verify <scenario>',
  });
}

async function rerun(
  folder: string,
  flags: VerifyFlags,
  scenarios: readonly Scenario[],
): Promise<Recheck[]> {
  const { result } = await readRun(folder);
  const scenario = await scenarioOf(result, flags, scenarios);
  const history = path.join(folder, HISTORY_FILE);
  if (!existsSync(history)) throw unreadable(folder, `it has no ${HISTORY_FILE}`);
  try {
    const { invariants } = resolve(scenario, { quick: result.quick, seed: result.seed });
    return await recheck(history, invariants, result.arms);
  } catch (cause) {
    if (cause instanceof CorruptHistory) throw unreadable(folder, cause.message, cause);
    throw cause;
  }
}

async function scenarioOf(
  result: Result,
  { scenario }: VerifyFlags,
  scenarios: readonly Scenario[],
): Promise<Scenario> {
  const known = scenarios.some(({ id }) => id === result.scenario);
  if (known || scenario !== undefined) {
    return await resolveScenario(scenario ?? result.scenario, scenarios);
  }
  throw refusal(2, {
    what: `the checkers of "${result.scenario}" are not known here`,
    why: 'it was not a scenario of platform but a file of its own',
    next: 'platform verify <run> --scenario <that file>',
  });
}

function notWhole(folder: string, problems: readonly FileProblem[]): OperatorError {
  const named = problems
    .slice(0, NAMED)
    .map(({ path: file, problem, detail }) => `${file} ${problem} (${detail})`);
  const more = problems.length > NAMED ? `, and ${problems.length - NAMED} more` : '';
  return refusal(EXIT.unknown, {
    what: `${shownPath(folder)} is not as the run left it`,
    why: `${named.join(', ')}${more}`,
    next: 'restore the folder, or repeat the run with the command in its report',
  });
}

function disagreement(folder: string, checkers: readonly Recheck[]): OperatorError {
  const named = checkers
    .slice(0, NAMED)
    .map(
      ({ arm, invariant, recorded, found }) =>
        `${arm}.invariant.${invariant} is ${words(found)}, recorded as ${words(recorded)}`,
    );
  return refusal(EXIT.invariant, {
    what: `the history of ${shownPath(folder)} does not give what result.json says`,
    why: named.join(', '),
    next: 'platform --version, and verify with the version named in the report',
  });
}

function unreadable(folder: string, why: string, cause?: unknown): OperatorError {
  const lines = { what: `${shownPath(folder)} cannot be verified`, why, next: 'platform list' };
  return new OperatorError(EXIT.unknown, lines, { cause });
}

function refusal(exitCode: number, lines: { what: string; why: string; next: string }) {
  return new OperatorError(exitCode, lines);
}

function words(answer: CheckerAnswer | null): string {
  if (answer === null) return 'absent';
  const { verdict, checked, violations } = answer;
  return `${verdict} (${violations} violations in ${checked})`;
}

function verified({ run, files, checkers }: Verification): string {
  const lines = checkers.map(
    ({ arm, invariant, found }) => `  ${arm}.invariant.${invariant}: ${words(found)}`,
  );
  return [
    `${run} is as the run left it: ${files} files match ${MANIFEST_FILE}`,
    `${checkers.length} checkers run again on the history agree with result.json`,
    ...lines,
    '',
  ].join('\n');
}
