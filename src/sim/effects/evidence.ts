/**
 * The manifest of a run: every file of its folder with size and SHA-256, written last. With it, others can
 * check a run: every changed file is named, also the manifest itself, whose text is a pure function of its entries and
 * holds a digest over them. It detects accidental changes only: who rewrites the folder can write a new manifest.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

export const MANIFEST_FILE = 'manifest.json';
const SCHEMA = 'platform-sim/manifest@1';

interface ManifestEntry {
  /** From the run's folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface FileProblem {
  readonly path: string;
  readonly problem: 'changed' | 'missing' | 'not in the manifest' | 'not a manifest';
  readonly detail: string;
}

export interface EvidenceCheck {
  /** Files that the manifest names; 0 when it cannot be read. */
  readonly files: number;
  readonly problems: readonly FileProblem[];
  /** Files that a desktop puts into every folder it shows; they are no evidence. */
  readonly ignored: readonly string[];
}

const DESKTOP_FILE = /(?:^|\/)(?:\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini|\.directory)$/;

/** Call it when nothing writes to the folder any more. */
export async function writeManifest(folder: string): Promise<void> {
  const entries: ManifestEntry[] = [];
  const files = (await filesOf(folder)).filter((file) => !DESKTOP_FILE.test(file));
  for (const file of files) entries.push(await entryOf(folder, file));
  const target = path.join(folder, MANIFEST_FILE);
  const beside = `${target}.${process.pid}.tmp`;
  await writeFile(beside, manifestText(entries));
  await rename(beside, target);
}

/** Null when the folder has no manifest at all. */
export async function checkEvidence(folder: string): Promise<EvidenceCheck | null> {
  const text = await readManifest(folder);
  if (text === null) return null;
  const entries = parseManifest(text);
  if (typeof entries === 'string') {
    const problem = { path: MANIFEST_FILE, problem: 'not a manifest', detail: entries } as const;
    return { files: 0, problems: [problem], ignored: [] };
  }
  const present = new Set(await filesOf(folder));
  const problems: FileProblem[] = [];
  for (const entry of entries) {
    if (!present.delete(entry.path)) {
      problems.push({ path: entry.path, problem: 'missing', detail: `${entry.bytes} bytes` });
      continue;
    }
    const detail = difference(entry, await entryOf(folder, entry.path));
    if (detail !== null) problems.push({ path: entry.path, problem: 'changed', detail });
  }
  const ignored = [...present].filter((file) => DESKTOP_FILE.test(file));
  for (const extra of present) {
    if (ignored.includes(extra)) continue;
    const { size } = await lstat(path.join(folder, extra));
    problems.push({ path: extra, problem: 'not in the manifest', detail: `${size} bytes` });
  }
  return { files: entries.length, problems, ignored };
}

function difference(expected: ManifestEntry, found: ManifestEntry): string | null {
  if (expected.bytes !== found.bytes) return `${found.bytes} bytes, was ${expected.bytes}`;
  if (expected.sha256 === found.sha256) return null;
  return `sha256 ${found.sha256.slice(0, 12)}, was ${expected.sha256.slice(0, 12)}`;
}

function manifestText(files: readonly ManifestEntry[]): string {
  const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  return `${JSON.stringify({ schema: SCHEMA, files, digest }, null, 2)}\n`;
}

/** The entries, or what is wrong. Any byte that writing these entries would not have produced is wrong. */
function parseManifest(text: string): readonly ManifestEntry[] | string {
  let value: { schema?: unknown; files?: unknown } | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return 'it is not JSON';
  }
  if (value?.schema !== SCHEMA) return `its schema is not ${SCHEMA}`;
  if (!Array.isArray(value.files) || !value.files.every(isEntry)) return 'an entry is damaged';
  return manifestText(value.files) === text ? value.files : 'it does not match its own digest';
}

function isEntry(value: unknown): value is ManifestEntry {
  const entry = value as Partial<ManifestEntry> | null;
  return (
    typeof entry?.path === 'string' &&
    Number.isSafeInteger(entry.bytes) &&
    typeof entry.sha256 === 'string'
  );
}

async function readManifest(folder: string): Promise<string | null> {
  try {
    return await readFile(path.join(folder, MANIFEST_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Everything in the folder but folders and the manifest, sorted, so that equal folders have equal manifests. */
async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => file !== MANIFEST_FILE)
    .sort();
}

async function entryOf(folder: string, file: string): Promise<ManifestEntry> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path.join(folder, file))) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { path: file, bytes, sha256: hash.digest('hex') };
}
