/**
 * `mkdir -p`. Node's own `recursive` never returns, at full CPU, where a parent answers ENOENT for each new entry, as
 * /proc does.
 */
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

/** `mode` is that of the folders it makes. Throws the error of the first folder that cannot be made. */
export async function createFolder(folder: string, mode = 0o777): Promise<void> {
  const missing: string[] = [];
  for (let at = path.resolve(folder); !(await exists(at)); at = path.dirname(at)) missing.push(at);
  for (const one of missing.reverse()) {
    await mkdir(one, { mode }).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (error.code !== 'EEXIST') throw error;
    });
  }
  if (!(await stat(folder)).isDirectory())
    throw Object.assign(new Error(`EEXIST: not a folder, mkdir '${folder}'`), { code: 'EEXIST' });
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
