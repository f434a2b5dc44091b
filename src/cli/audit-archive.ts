/** `platform audit archive` and `attach`: a month leaves the database for a signed file, and comes back from it. */
import { constants, setPriority } from 'node:os';
import path from 'node:path';
import { EXIT } from '../sim/pure/verdict.ts';
import { type AuditCall, asJson } from './audit-call.ts';
import { ensureFolder, shownPath } from './write-reports.ts';

export async function archiveMonth({ desk, argument, flags, io }: AuditCall): Promise<number> {
  const folder = path.resolve(flags.out ?? '.');
  await ensureFolder(folder);
  // Packing a month takes a core for seconds, and whoever answers requests beside it comes first.
  setPriority(constants.priority.PRIORITY_LOW);
  const archived = await desk.archive(argument, {
    directory: folder,
    ...(flags.keep === undefined ? {} : { minRetentionDays: flags.keep }),
  });
  io.stdout.write(
    flags.json
      ? asJson(archived)
      : `${argument}: ${archived.records} records are in ${shownPath(archived.file)}, ` +
          `their month is out of the database, and the log says so\n` +
          `back again: platform audit attach ${shownPath(archived.file)}\n`,
  );
  return EXIT.pass;
}

export async function attachMonth({ desk, argument, flags, io }: AuditCall): Promise<number> {
  const attached = await desk.attach(path.resolve(argument));
  io.stdout.write(
    flags.json
      ? asJson(attached)
      : `${shownPath(argument)}: signature and ${attached.records} records are as they were archived; ` +
          `${attached.partition} is back\n`,
  );
  return EXIT.pass;
}
