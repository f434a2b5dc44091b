/**
 * `platform audit archive` moves a month from the database to a signed file; `platform audit attach` brings it back.
 */
import { constants, setPriority } from 'node:os';
import path from 'node:path';
import { exitCodes } from '../sim/pure/exit-code.ts';
import { type AuditCall, formatJson } from './audit-call.ts';
import { displayPath, ensureFolder } from './finished-run/write-reports.ts';

export async function archiveMonth({
  admin,
  argument: month,
  flags,
  io,
}: AuditCall): Promise<number> {
  const folder = path.resolve(flags.out ?? '.');
  await ensureFolder(folder);
  // Compressing a month takes a core for seconds: at low priority it does not slow down a gateway on this machine.
  setPriority(constants.priority.PRIORITY_LOW);
  const archived = await admin.archive(month, {
    directory: folder,
    ...(flags.keep === undefined ? {} : { minRetentionDays: flags.keep }),
  });
  io.stdout.write(
    flags.json
      ? formatJson(archived)
      : `${month}: ${archived.records} records are in ${displayPath(archived.file)}, ` +
          `the month is no longer in the database, and the log records it\n` +
          `to bring it back: platform audit attach ${displayPath(archived.file)}\n`,
  );
  return exitCodes.pass;
}

export async function attachMonth({
  admin,
  argument: file,
  flags,
  io,
}: AuditCall): Promise<number> {
  const attached = await admin.attach(path.resolve(file));
  io.stdout.write(
    flags.json
      ? formatJson(attached)
      : `${displayPath(file)}: signature and ${attached.records} records are as they were archived; ` +
          `${attached.partition} is back\n`,
  );
  return exitCodes.pass;
}
