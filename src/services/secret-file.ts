/**
 * Secrets of the service in files of its state directory, which no store can read: created once, by whichever process is
 * first (`link` succeeds once), and read by the others.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

const KEY_BYTES = 32;

/** A random key of 256 bits. */
export async function openSecretKey(file: string): Promise<Buffer> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  let text = await readIfExists(file);
  if (text === null) {
    await publishFile(file, randomBytes(KEY_BYTES).toString('base64'), { mode: 0o600 });
    // Another process may have created the file first; then its key is used.
    text = await readFile(file, 'utf8');
  }
  const key = Buffer.from(text, 'base64');
  if (key.length !== KEY_BYTES) throw new Error(`the key in ${file} has not ${KEY_BYTES} bytes`);
  return key;
}

export async function readIfExists(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Creates a synced file atomically, unless it exists. */
export async function publishFile(
  file: string,
  text: string,
  { mode }: { mode: number },
): Promise<void> {
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const handle = await open(temporary, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
    await link(temporary, file);
    await syncFolder(path.dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await handle.close();
    await rm(temporary, { force: true });
  }
}

/** Syncs the entries of a directory. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
