/**
 * Finds scenarios by name: an id, `all`, or a file of the user's own that exports what defineScenario returned.
 * Every name is resolved before anything starts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withTimeout } from '../../sim/effects/process/with-timeout.ts';
import { OperatorError, UsageError } from '../../sim/errors.ts';
import type { PlanOptions } from '../../sim/history.ts';
import type { Plan } from '../../sim/plan/plan.ts';
import { resolve as resolvePlan } from '../../sim/plan/resolve.ts';
import type { ArmName } from '../../sim/result.ts';
import type { Scenario } from '../../sim/scenario.ts';
import { suggestion } from '../../sim/suggestion.ts';
import { formatPlace, rememberUserFile } from '../foreign-errors.ts';
import { parseChoices } from '../units.ts';

/** A module that waits for something at its top level would hold the command for ever. */
const IMPORT_LIMIT_MS = 10_000;
const armNames: readonly ArmName[] = ['before', 'sample', 'after'];

export async function resolveScenarios(
  names: readonly string[],
  known: readonly Scenario[],
): Promise<readonly Scenario[]> {
  const found: Scenario[] = [];
  for (const name of names) {
    if (name === 'all') found.push(...known);
    else found.push(await resolveScenario(name, known));
  }
  return found.filter((scenario, index) => found.indexOf(scenario) === index);
}

export async function resolveScenario(name: string, known: readonly Scenario[]): Promise<Scenario> {
  return isFilePath(name) ? await importScenario(name) : findScenario(name, known);
}

function findScenario(name: string, known: readonly Scenario[]): Scenario {
  const scenario = known.find(({ id }) => id === name.toLowerCase());
  if (scenario !== undefined) return scenario;
  const ids = known.map(({ id }) => id);
  const guess = suggestion(name, ids);
  const available = ids.length === 0 ? 'there are no scenarios' : `known: ${ids.join(', ')}`;
  throw new UsageError({
    what: `there is no scenario "${name}"`,
    why: guess === null ? available : `did you mean ${guess}? ${available}`,
    next: 'platform list',
  });
}

/** The arms that `--design` names; undefined for all. */
export function parseArms(design: string): readonly ArmName[] | undefined {
  return design === 'all' ? undefined : parseChoices('--design', design, armNames);
}

function isFilePath(name: string): boolean {
  return /\.[cm]?[jt]s$/.test(name) || /[\\/]/.test(name);
}

async function importScenario(name: string): Promise<Scenario> {
  const file = resolve(name);
  if (!existsSync(file)) {
    throw new UsageError({
      what: `there is no file ${name}`,
      why: `looked for ${file}`,
      next: 'platform list, or give the path of a file that exports a scenario',
    });
  }
  if (/\.[cm]?ts$/.test(file) && !canStripTypes()) throw cannotStripTypes(name);
  rememberUserFile(file);
  const exported = await importFile(name, file);
  const scenario = await findExported(exported);
  if (scenario !== null) {
    importedFrom.set(scenario, name);
    return scenario;
  }
  throw new UsageError({
    what: `${name} does not export a scenario`,
    why: `it exports ${Object.keys(exported).join(', ') || 'nothing'}`,
    next: "export const scenario = defineScenario({ ... }), imported from 'platform-sim'",
  });
}

/**
 * `scenario` or the default export. In CommonJS the default is `module.exports`, which may hold one of the two, or a
 * promise, because only `import()` reads this package there.
 */
async function findExported({ scenario, default: whole }: ImportedFile): Promise<Scenario | null> {
  const assigned = (await whole) as Partial<ImportedFile> | null | undefined;
  const candidates = [await scenario, assigned, await assigned?.scenario, await assigned?.default];
  return candidates.find(isScenario) ?? null;
}

interface ImportedFile {
  readonly scenario?: unknown;
  readonly default?: unknown;
}

async function importFile(name: string, file: string): Promise<ImportedFile> {
  const onExit = () => {
    const ended = new UsageError({
      what: `${name} ended the process while it was loaded`,
      why: 'it calls process.exit, or something that it imports does',
      next: `node ${name}`,
    });
    process.stderr.write(`${ended.toLines()}\n`);
    process.exitCode = ended.exitCode;
  };
  // What crashes meanwhile has a message of its own.
  const disarm = () => void process.off('exit', onExit);
  process.once('exit', onExit);
  process.once('uncaughtExceptionMonitor', disarm);
  process.once('unhandledRejection', disarm);
  try {
    return await withTimeout(import(pathToFileURL(file).href), IMPORT_LIMIT_MS);
  } catch (cause) {
    // defineScenario's own errors already say what is wrong.
    if (cause instanceof OperatorError) throw cause;
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new UsageError(
      {
        what: `${name} could not be loaded`,
        why: `${reason}${placeOfSyntaxError(file, cause)}`,
        next: `node --check ${name}`,
      },
      { cause },
    );
  } finally {
    disarm();
    process.off('uncaughtExceptionMonitor', disarm);
    process.off('unhandledRejection', disarm);
  }
}

/** ` (mine.mjs:2)`: Node prints the place of a syntax error, but its error does not have it. */
function placeOfSyntaxError(file: string, cause: unknown): string {
  if (!(cause instanceof SyntaxError)) return '';
  const { stderr } = spawnSync(process.execPath, ['--check', file], {
    encoding: 'utf8',
    timeout: IMPORT_LIMIT_MS,
  });
  const line = /:(\d+)$/m.exec(stderr.split('\n')[0] ?? '')?.[1];
  return line === undefined ? '' : ` (${formatPlace({ file, line: Number(line) })})`;
}

const importedFrom = new WeakMap<Scenario, string>();

/** Of a user's scenario, data that we stumble over is its own fault, not ours. */
export function planOf(scenario: Scenario, options: PlanOptions): Plan {
  const file = importedFrom.get(scenario);
  try {
    return resolvePlan(scenario, options);
  } catch (cause) {
    if (file === undefined || cause instanceof OperatorError) throw cause;
    throw new UsageError(
      {
        what: `${file} declares what cannot be planned`,
        why: cause instanceof Error ? cause.message : String(cause),
        next: `platform explain ${file}, after comparing it with the scenario in README.md`,
      },
      { cause },
    );
  }
}

/** Node strips types by default from 22.18 and 23.6 on; Node 20 cannot. */
function canStripTypes(): boolean {
  const features = process.features as { typescript?: unknown };
  return features.typescript !== undefined && features.typescript !== false;
}

function cannotStripTypes(name: string): UsageError {
  return new UsageError({
    what: `${name} is TypeScript, which Node ${process.versions.node} cannot run`,
    why: 'Node reads TypeScript by itself from 22.18 on',
    next: `rename it to ${name.replace(/ts$/, 'js').replace(/([^cm])js$/, '$1mjs')} without types, or use Node 22.18 or newer`,
  });
}

function isScenario(value: unknown): value is Scenario {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return (
    ['id', 'title', 'question'].every((key) => typeof fields[key] === 'string') &&
    typeof fields.declare === 'function'
  );
}
