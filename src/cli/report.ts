/** `platform report`: makes a finished run's reports again, from result.json and nothing else. */
import { resolve } from 'node:path';
import type { FormatName } from '../report/formats.ts';
import type { Io } from './io.ts';
import { readRun } from './run-reader.ts';
import { shownPath, writeReports } from './write-reports.ts';

export async function runReport(
  name: string,
  flags: { readonly format: readonly FormatName[]; readonly out?: string },
  io: Io,
): Promise<number> {
  const { result, folder } = await readRun(name);
  const paths = await writeReports(result, resolve(flags.out ?? folder), flags.format);
  for (const path of paths) io.stdout.write(`${shownPath(path)}\n`);
  return 0;
}
