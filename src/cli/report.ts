/** `platform report`: makes a finished run's reports again, from result.json and nothing else. */
import { resolve } from 'node:path';
import type { FormatName } from '../report/formats.ts';
import { checkEvidence, writeManifest } from '../sim/effects/evidence.ts';
import type { Io } from './io.ts';
import { readRun } from './run-reader.ts';
import { shownPath, writeReports } from './write-reports.ts';

export async function runReport(
  name: string,
  flags: { readonly format: readonly FormatName[]; readonly out?: string },
  io: Io,
): Promise<number> {
  const { result, folder } = await readRun(name);
  const out = resolve(flags.out ?? folder);
  // New reports join the evidence only where it was whole before: a manifest must not bless what was changed.
  const wasWhole = out === resolve(folder) && (await checkEvidence(out))?.problems.length === 0;
  const paths = await writeReports(result, out, flags.format);
  if (wasWhole) await writeManifest(out);
  for (const path of paths) io.stdout.write(`${shownPath(path)}\n`);
  return 0;
}
