/**
 * Data directories that are built once per machine and copied per run: building a million audit rows takes seconds, copying
 * them a fraction of one.
 *
 *   <cache>/templates/<key>/data        a data directory after a clean shutdown, synced to disk
 *   <cache>/templates/<key>/.complete   {sizeBytes}; its modification time is the last use
 *   <cache>/templates/<key>.lock        one builder at a time
 */
import { execFile } from 'node:child_process';
import {
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { EnvironmentError } from '../../../errors.ts';
import { createTraversableFolder } from '../../process/cache.ts';
import type { Lease } from '../../process/lease.ts';
import { explainDiskFull, folderBytes, requireFreeSpace } from '../disk-space.ts';
import { withLock } from './file-lock.ts';
import { templatesToRemove } from './template-eviction.ts';

const run = promisify(execFile);
const BUILD_LIMIT_MS = 300_000;
const COPY_LIMIT_MS = 120_000;
/** Free space that a build needs. */
export const BUILD_BYTES = 1_536 * 1024 * 1024;
/** Free space that a run needs for its writes, in addition to its copy. */
export const RUN_BYTES = 256 * 1024 * 1024;

export interface Template {
  readonly key: string;
  readonly dataDir: string;
  readonly sizeBytes: number;
  /** False when it existed before. */
  readonly isNew: boolean;
}

export const templatesFolder = (cache: string): string => path.join(cache, 'templates');

async function readTemplate(folder: string): Promise<Template | null> {
  try {
    const text = await readFile(path.join(folder, '.complete'), 'utf8');
    const { sizeBytes } = JSON.parse(text) as { sizeBytes: number };
    return {
      key: path.basename(folder),
      dataDir: path.join(folder, 'data'),
      sizeBytes,
      isNew: false,
    };
  } catch {
    return null; // Not built, or partly removed.
  }
}

/** Complete templates, most recently used first. */
export async function listTemplates(cache: string): Promise<(Template & { usedAtMs: number })[]> {
  const names = await readdir(templatesFolder(cache)).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const folder = path.join(templatesFolder(cache), name);
      const template = await readTemplate(folder);
      const marker = await stat(path.join(folder, '.complete')).catch(() => null);
      return template && marker ? { ...template, usedAtMs: marker.mtimeMs } : null;
    }),
  );
  return found.filter((one) => one !== null).sort((a, b) => b.usedAtMs - a.usedAtMs);
}

async function markUsed(template: Template): Promise<void> {
  const now = new Date();
  await utimes(path.join(path.dirname(template.dataDir), '.complete'), now, now);
}

async function removeLeastRecentlyUsed(cache: string): Promise<void> {
  for (const old of templatesToRemove(await listTemplates(cache), Date.now())) {
    const folder = path.dirname(old.dataDir);
    // The marker is removed first: a partly removed template must not look complete.
    await rm(path.join(folder, '.complete'), { force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

export interface TemplateRequest {
  readonly cache: string;
  readonly key: string;
  readonly lease: Lease;
  readonly signal?: AbortSignal | undefined;
  readonly onNote: (text: string) => void;
  /** Fills `dataDir` (which does not exist yet) with a cleanly stopped, synced data directory. */
  readonly build: (dataDir: string) => Promise<void>;
}

async function buildTemplate(request: TemplateRequest, folder: string): Promise<void> {
  const { lease } = request;
  const temporary = `${folder}.${lease.runId}.new`;
  await requireFreeSpace(templatesFolder(request.cache), BUILD_BYTES, 'to build the data template');
  lease.addDirectory(temporary);
  try {
    await mkdir(temporary, { recursive: true });
    await chmod(temporary, 0o755);
    const dataDir = path.join(temporary, 'data');
    await request.build(dataDir);
    const complete = JSON.stringify({ sizeBytes: await folderBytes(dataDir) });
    await writeFile(path.join(temporary, '.complete'), complete);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  } catch (error) {
    throw await explainDiskFull(error, templatesFolder(request.cache));
  } finally {
    await rm(temporary, { recursive: true, force: true });
    lease.removeDirectory(temporary);
  }
}

/** The template for `key`, built now if this machine does not have it. */
export async function ensureTemplate(request: TemplateRequest): Promise<Template> {
  const { cache, key, signal, onNote } = request;
  const folder = path.join(templatesFolder(cache), key);
  await createTraversableFolder(templatesFolder(cache));
  const ready = await readTemplate(folder);
  if (ready) {
    await markUsed(ready);
    return ready;
  }
  const lock = `${folder}.lock`;
  return await withLock(
    lock,
    {
      limitMs: BUILD_LIMIT_MS,
      signal,
      onWait: () => onNote('waiting for another run that is building the same data template'),
      onTimeout: () =>
        new EnvironmentError({
          what: `the data template is still locked after ${BUILD_LIMIT_MS / 1_000} s`,
          why: `another process holds ${lock}`,
          next: 'platform doctor',
        }),
    },
    async () => {
      const meanwhile = await readTemplate(folder);
      if (meanwhile) return meanwhile;
      onNote('building the data template, once per machine');
      await buildTemplate(request, folder);
      const built = await readTemplate(folder);
      if (!built) throw new Error(`template ${key} vanished while it was built`);
      await removeLeastRecentlyUsed(cache);
      return { ...built, isNew: true };
    },
  );
}

/** `cp`, in the lease while it runs: after a kill of the parent it would continue to fill the run's folder. */
export async function runCopy(args: readonly string[], lease: Lease): Promise<void> {
  // The C locale: the message is searched for a full disk.
  const env = { ...process.env, LC_ALL: 'C' };
  const copying = run('cp', args, { env, timeout: COPY_LIMIT_MS, killSignal: 'SIGKILL' });
  const { pid } = copying.child;
  if (pid !== undefined) lease.addChild({ pid, name: 'cp' });
  try {
    await copying;
  } finally {
    if (pid !== undefined) lease.removeChild(pid);
  }
}

/** Copies a template's data directory to `dest`, sharing blocks where the file system can. */
export async function copyTemplate(template: Template, dest: string, lease: Lease): Promise<void> {
  await requireFreeSpace(
    path.dirname(dest),
    template.sizeBytes + RUN_BYTES,
    'for a copy of the data',
  );
  try {
    const reflink = process.platform === 'linux' ? ['--reflink=auto'] : [];
    try {
      await runCopy(['-a', ...reflink, template.dataDir, dest], lease);
    } catch (error) {
      if (/No space left/.test((error as Error).message)) throw error;
      // A cp without --reflink (BusyBox): copy again, in Node, keeping the owner.
      await rm(dest, { recursive: true, force: true });
      if (process.platform === 'linux') await runCopy(['-a', template.dataDir, dest], lease);
      else await cp(template.dataDir, dest, { recursive: true, preserveTimestamps: true });
    }
  } catch (error) {
    throw await explainDiskFull(error, path.dirname(dest));
  }
}
