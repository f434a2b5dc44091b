/**
 * Finds a finished run by what a person would type (a folder, a file, a scenario, a run id) and reads its
 * result. A damaged or foreign document is refused here, so that the renderers can trust what they get.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MANIFEST_FILE } from '../sim/effects/evidence.ts';
import { UsageError } from '../sim/errors.ts';
import type { Result } from '../sim/result.ts';
import { suggestion } from '../sim/suggestion.ts';
import { RESULT_VERSIONS } from './result-versions.ts';
import { compileSchema } from './schema-complaint.ts';
import { shownPath } from './write-reports.ts';

/** From dist/cli and from src/cli alike. */
const SCHEMA_FOLDER = new URL('../../src/sim/', import.meta.url);

export interface FoundRun {
  readonly result: Result;
  /** Where result.json lies. */
  readonly folder: string;
}

export async function readRun(name: string, reportsDir = 'reports'): Promise<FoundRun> {
  const file = locate(name, reportsDir);
  return { result: await readResult(file), folder: dirname(file) };
}

/** The folder of a run. Its result is not read, and may be damaged. */
export function locateRun(name: string, reportsDir = 'reports'): string {
  return dirname(locate(name, reportsDir));
}

function locate(name: string, reportsDir: string): string {
  const asPath = resolve(name);
  if (isFile(asPath)) return asPath;
  const runs = folders(reportsDir).flatMap((scenario) =>
    folders(join(reportsDir, scenario)).map((run) => ({ scenario, run })),
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
    why: `${guess === null ? '' : `did you mean ${guess}? `}${shownPath(reportsDir)} has ${known}`,
    next: 'platform sim turn4, or give the path of a run folder or its result.json',
  });
}

async function readResult(file: string): Promise<Result> {
  const document = parse(file, await readText(file));
  const schema = (document as { schema?: unknown } | null)?.schema;
  const version = RESULT_VERSIONS.get(schema);
  if (version === undefined) {
    const known = [...RESULT_VERSIONS.keys()].map((id) => JSON.stringify(id)).join(' or ');
    throw refusal(
      `${shownPath(file)} is not a result this version can read`,
      `its schema is ${JSON.stringify(schema) ?? 'missing'}, expected ${known}`,
    );
  }
  const text = await readFile(new URL(version.schemaFile, SCHEMA_FOLDER), 'utf8');
  const complaint = compileSchema(JSON.parse(text))(document);
  if (complaint !== null) throw refusal(`${shownPath(file)} is damaged`, complaint);
  return version.toResult(document);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw refusal(`cannot read ${shownPath(file)}`, (cause as Error).message, cause);
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refusal(`${shownPath(file)} is not JSON`, (cause as Error).message, cause);
  }
}

function refusal(what: string, why: string, cause?: unknown): UsageError {
  const [reason = ''] = why.split('\n');
  return new UsageError({ what, why: reason, next: 'platform sim turn4' }, { cause });
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function folders(path: string): readonly string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => entry.name);
}
