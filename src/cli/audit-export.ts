/**
 * `platform audit export`: writes the log as lines for another system, to stdout or to what `--out` names. When the reader closes the pipe, the export ends.
 */
import { once } from 'node:events';
import { EnvironmentError, UsageError } from '../sim/errors.ts';
import { exitCodes } from '../sim/pure/exit-code.ts';
import type { AuditCall } from './audit-call.ts';
import { displayPath } from './finished-run/write-reports.ts';
import { type OutputFile, openOutputFile } from './output-file.ts';

/** Characters that are collected before a write. */
const CHUNK_LENGTH = 64 * 1024;

export async function exportLog({ admin, flags, io }: AuditCall): Promise<number> {
  const { format = 'ndjson', tenant } = flags;
  const lines = admin.exportLines({
    format,
    ...(tenant === undefined ? {} : { tenant }),
    ...(flags.from === undefined ? {} : { from: requireInstant(admin, '--from', flags.from) }),
    ...(flags.to === undefined ? {} : { to: requireInstant(admin, '--to', flags.to) }),
  });
  if (flags.out === undefined || flags.out === '-') {
    await writeLines(lines, io.stdout);
    return exitCodes.pass;
  }
  const count = await writeLinesToFile(lines, flags.out);
  if (count !== null) io.stderr.write(`${count} lines in ${displayPath(flags.out)}\n`);
  return exitCodes.pass;
}

function requireInstant(admin: AuditCall['admin'], flag: string, text: string): string {
  const instant = admin.parseInstant(text);
  if (instant !== null) return instant;
  throw new UsageError({
    what: `${flag} "${text}" is not understood`,
    why: 'it takes a time in UTC: 2026-11-01 or 2026-11-01T08:00:00Z',
    next: `platform audit export ${flag} 2026-11-01`,
  });
}

/** Null: the reader of a pipe has left, which ends the export as it does for stdout. */
async function writeLinesToFile(
  lines: AsyncIterable<string>,
  file: string,
): Promise<number | null> {
  let output: OutputFile | null = null;
  try {
    output = await openOutputFile(file);
    const count = await writeLines(lines, output.stream);
    await output.finish();
    return count;
  } catch (error) {
    await output?.discard();
    const { path: failedPath, syscall, code, message } = error as NodeJS.ErrnoException;
    if (output !== null && syscall === 'write' && code === 'EPIPE') return null;
    // Anything else failed while the log was read.
    const isOutput = output === null || syscall === 'write' || failedPath === output.writtenPath;
    if (error instanceof UsageError || !isOutput) throw error;
    throw new EnvironmentError(
      {
        what: `cannot write ${displayPath(file)}`,
        why: failedPath === undefined ? message : message.replaceAll(failedPath, file),
        next: 'platform audit export --out <a file in a folder you may write to>',
      },
      { cause: error },
    );
  }
}

/**
 * Waits when the stream's buffer is full, and ends early when the reader closes it. Resolves to the number of lines.
 */
async function writeLines(
  lines: AsyncIterable<string>,
  output: NodeJS.WritableStream,
): Promise<number> {
  const stream = output as NodeJS.WritableStream & { readonly destroyed?: boolean };
  let chunk = '';
  let count = 0;
  const flush = async () => {
    const text = chunk;
    chunk = '';
    if (text === '' || stream.destroyed || stream.write(text)) return;
    // Removes the listener of the event that did not come.
    const listeners = new AbortController();
    const { signal } = listeners;
    await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })])
      .catch(() => {}) // After an error the stream is destroyed, which the loop checks.
      .finally(() => listeners.abort());
  };
  for await (const line of lines) {
    chunk += `${line}\n`;
    count += 1;
    if (chunk.length < CHUNK_LENGTH) continue;
    await flush();
    if (stream.destroyed) return count;
  }
  await flush();
  return count;
}
