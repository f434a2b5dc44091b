/** `platform report`: rebuilds the reports of a finished run from its result.json alone. */
import { resolve } from 'node:path';
import type { FormatName } from '../../report/formats.ts';
import { checkEvidence, writeManifest } from '../../sim/effects/evidence.ts';
import type { Io } from '../io.ts';
import { readRun } from './read-run.ts';
import { displayPath, writeReports } from './write-reports.ts';

export async function runReport(
  name: string,
  flags: { readonly format: readonly FormatName[]; readonly out?: string },
  io: Io,
): Promise<number> {
  const { result, folder } = await readRun(name);
  const out = resolve(flags.out ?? folder);
  // The manifest is renewed only if every file matched it: it must not cover a file that was changed.
  const wasIntact = out === resolve(folder) && (await checkEvidence(out))?.problems.length === 0;
  const paths = await writeReports(result, out, flags.format);
  if (wasIntact) await writeManifest(out);
  for (const path of paths) io.stdout.write(`${displayPath(path)}\n`);
  return 0;
}
