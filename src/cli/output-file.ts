/**
 * Opens what `--out` names. A regular file, or nothing yet, is replaced atomically once all is written; whatever else is
 * there, a pipe or a device, is written into and stays what it is. Links are followed.
 */
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { chmod, lstat, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { UsageError } from '../sim/errors.ts';
import { displayPath } from './finished-run/write-reports.ts';

const NEW_FILE_MODE = 0o600;
const MAX_LINKS = 40;

export interface OutputFile {
  readonly stream: WriteStream;
  /** The file that is written to, for errors: beside the one that is replaced. */
  readonly writtenPath: string;
  /** Everything is in its place afterwards. */
  finish(): Promise<void>;
  /** Leaves what was there before. */
  discard(): Promise<void>;
}

export async function openOutputFile(given: string): Promise<OutputFile> {
  const file = await followLinks(path.resolve(given));
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found?.isDirectory())
    throw new UsageError({
      what: `${displayPath(given)} is a folder`,
      why: '--out takes a file, a pipe, or - for stdout',
      next: `platform audit export --out ${displayPath(path.join(given, 'audit.ndjson'))}`,
    });
  const isReplaced = found === null || found.isFile();
  const writtenPath = isReplaced ? `${file}.${process.pid}.tmp` : file;
  const stream = createWriteStream(writtenPath, { mode: NEW_FILE_MODE });
  await once(stream, 'open');
  stream.on('error', () => {}); // finish() rejects with it
  return {
    stream,
    writtenPath,
    async finish() {
      stream.end();
      await finished(stream);
      if (!isReplaced) return;
      if (found !== null) await chmod(writtenPath, found.mode & 0o777);
      await rename(writtenPath, file);
    },
    async discard() {
      stream.destroy();
      if (isReplaced) await rm(writtenPath, { force: true });
    },
  };
}

/** Also through a link whose target is not there yet. */
async function followLinks(file: string): Promise<string> {
  let at = file;
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const isLink = await lstat(at).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
    if (!isLink) return path.join(await realpath(path.dirname(at)), path.basename(at));
    at = path.resolve(path.dirname(at), await readlink(at));
  }
  throw Object.assign(new Error(`too many links at ${file}`), { path: file, code: 'ELOOP' });
}
