/**
 * The package's root folder, the same from src (vitest) and from dist (the shipped CLI). Child processes are always
 * started from dist: plain Node cannot run the sources on every supported version.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

function findPackageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = path.join(folder, 'package.json');
    if (existsSync(manifest)) return folder;
    const parent = path.dirname(folder);
    if (parent === folder)
      throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
}

export const packageRoot = findPackageRoot();

export const packageVersion = String(
  JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')).version,
);

/** A compiled module: relative to dist/, or an absolute path as it is. */
export function distModule(module: string): string {
  return path.isAbsolute(module) ? module : path.join(packageRoot, 'dist', module);
}
