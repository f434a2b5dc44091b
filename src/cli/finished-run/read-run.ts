/**
 * Finds a finished run by a folder, a file, a scenario or a run id, and reads its result. The document is validated
 * here, so that the renderers can rely on it.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MANIFEST_FILE } from '../../sim/effects/evidence.ts';
import { UsageError } from '../../sim/errors.ts';
import type { Result } from '../../sim/result.ts';
import { suggestion } from '../../sim/suggestion.ts';
import { resultVersions } from './result-versions.ts';
import { compileSchema } from './validate-schema.ts';
import { displayPath } from './write-reports.ts';

/** The build does not copy the JSON Schemas to dist/; from there this relative path leads to src/ as well. */
const schemaFolder = new URL('../../../src/sim/', import.meta.url);

export interface FoundRun {
  readonly result: Result;
  /** The version it was written in. */
  readonly schema: string;
  /** The folder of result.json. */
  readonly folder: string;
}

export async function readRun(name: string, reportsDir = 'reports'): Promise<FoundRun> {
  const file = locateResultFile(name, reportsDir);
  return { ...(await readResult(file)), folder: dirname(file) };
}

/** The folder of a run. Its result is not read and may be damaged. */
export function locateRun(name: string, reportsDir = 'reports'): string {
  return dirname(locateResultFile(name, reportsDir));
}

function locateResultFile(name: string, reportsDir: string): string {
  const asPath = resolve(name);
  if (isFile(asPath)) return asPath;
  const runs = listFolders(reportsDir).flatMap((scenario) =>
    listFolders(join(reportsDir, scenario)).map((run) => ({ scenario, run })),
  );
  const candidates = [
    join(asPath, 'result.json'),
    join(asPath, MANIFEST_FILE),
    join(asPath, 'latest', 'result.json'),
    join(reportsDir, name, 'latest', 'result.json'),
    ...runs
      .filter(({ run }) => run === name && run !== 'latest')
      .map(({ scenario, run }) => join(reportsDir, scenario, run, 'result.json')),
  ];
  const found = candidates.find(isFile);
  if (found !== undefined) return resolve(found);
  const scenarios = [...new Set(runs.map(({ scenario }) => scenario))];
  const guess = suggestion(name, [...scenarios, ...runs.map(({ run }) => run)]);
  const known = scenarios.length === 0 ? 'no run yet' : `runs of ${scenarios.join(', ')}`;
  throw new UsageError({
    what: `there is no run "${name}"`,
    why: `${guess === null ? '' : `did you mean ${guess}? `}${displayPath(reportsDir)} has ${known}`,
    next: 'platform sim turn4, or give the path of a run folder or its result.json',
  });
}

async function readResult(file: string): Promise<Pick<FoundRun, 'result' | 'schema'>> {
  const document = parse(file, await readText(file));
  const schema = (document as { schema?: unknown } | null)?.schema;
  const version = resultVersions.get(schema);
  if (version === undefined) {
    const known = [...resultVersions.keys()].map((id) => JSON.stringify(id)).join(' or ');
    throw unreadableError(
      `${displayPath(file)} is not a result this version can read`,
      `its schema is ${JSON.stringify(schema) ?? 'missing'}, expected ${known}`,
    );
  }
  const text = await readFile(new URL(version.schemaFile, schemaFolder), 'utf8');
  const problem = compileSchema(JSON.parse(text))(document);
  if (problem !== null) throw unreadableError(`${displayPath(file)} is damaged`, problem);
  return { result: version.toResult(document), schema: String(schema) };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw unreadableError(`cannot read ${displayPath(file)}`, (cause as Error).message, cause);
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadableError(`${displayPath(file)} is not JSON`, (cause as Error).message, cause);
  }
}

function unreadableError(what: string, why: string, cause?: unknown): UsageError {
  const [reason = ''] = why.split('\n');
  return new UsageError({ what, why: reason, next: 'platform sim turn4' }, { cause });
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function listFolders(path: string): readonly string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => entry.name);
}
