/**
 * From what was typed to scenarios: a turn of the list, `all`, or a file of the user's own that exports what
 * defineScenario returned. Nothing starts before every name is resolved.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OperatorError, UsageError } from '../sim/errors.ts';
import type { ArmName } from '../sim/result.ts';
import type { Scenario } from '../sim/scenario.ts';
import { suggestion } from '../sim/suggestion.ts';
import { parseWords } from './units.ts';

const ARM_NAMES: readonly ArmName[] = ['before', 'sample', 'after'];

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
  return isFile(name) ? await importScenario(name) : findScenario(name, known);
}

function findScenario(name: string, known: readonly Scenario[]): Scenario {
  const scenario = known.find(({ id }) => id === name.toLowerCase());
  if (scenario !== undefined) return scenario;
  const ids = known.map(({ id }) => id);
  const guess = suggestion(name, ids);
  const listed = ids.length === 0 ? 'there are no scenarios' : `known: ${ids.join(', ')}`;
  throw new UsageError({
    what: `there is no scenario "${name}"`,
    why: guess === null ? listed : `did you mean ${guess}? ${listed}`,
    next: 'platform list',
  });
}

/** The arms that `--design` names; undefined for all. */
export function parseArms(design: string): readonly ArmName[] | undefined {
  return design === 'all' ? undefined : parseWords('--design', design, ARM_NAMES);
}

function isFile(name: string): boolean {
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
  if (/\.[cm]?ts$/.test(file) && !stripsTypes()) throw cannotStripTypes(name);
  const exported = await importFile(name, file);
  const scenario = exported.scenario ?? exported.default;
  if (isScenario(scenario)) return scenario;
  throw new UsageError({
    what: `${name} does not export a scenario`,
    why: `it exports ${Object.keys(exported).join(', ') || 'nothing'}`,
    next: "export const scenario = defineScenario({ ... }), imported from 'platform-sim'",
  });
}

async function importFile(
  name: string,
  file: string,
): Promise<{ scenario?: unknown; default?: unknown }> {
  try {
    return await import(pathToFileURL(file).href);
  } catch (cause) {
    // What defineScenario refuses says itself what is wrong.
    if (cause instanceof OperatorError) throw cause;
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new UsageError(
      {
        what: `${name} could not be loaded`,
        why: String(reason),
        next: `node --check ${name}`,
      },
      { cause },
    );
  }
}

/** Node strips types by itself from 22.18 and 23.6 on; before, behind a flag; Node 20 never. */
function stripsTypes(): boolean {
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
