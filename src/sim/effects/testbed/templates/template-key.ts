/**
 * The key of a data template: equal keys hold equal data. It covers the steps that build the data, their seed, the
 * bytes of their modules, every SQL file of the services, and PostgreSQL's version. The rest of the platform is left out:
 * editing a route must not rebuild a million rows.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ModuleStep } from '../../../topology.ts';
import { distModule, packageRoot } from '../../process/package-root.ts';

/** Increment when the build of templates changes. */
const FORMAT = 2;

async function sqlFiles(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true });
  return entries.filter((entry) => entry.endsWith('.sql')).sort();
}

export async function templateKey(options: {
  steps: readonly ModuleStep[];
  roles: readonly string[];
  seed: number;
  postgresVersion: string;
  servicesFolder?: string;
}): Promise<string> {
  const { steps, roles, seed, postgresVersion } = options;
  const services = options.servicesFolder ?? path.join(packageRoot, 'src', 'services');
  const hash = createHash('sha256');
  // Every part is prefixed with its length, so that different lists of parts hash different bytes.
  const add = (part: string | Buffer): void => {
    hash.update(`${Buffer.byteLength(part)}:`).update(part);
  };
  add(JSON.stringify([FORMAT, process.arch, postgresVersion, seed, steps, roles]));
  for (const step of steps) add(await readFile(distModule(step.module)));
  for (const file of await sqlFiles(services)) {
    add(file);
    add(await readFile(path.join(services, file)));
  }
  return `pg${postgresVersion.split('.')[0]}-${hash.digest('hex').slice(0, 16)}`;
}
