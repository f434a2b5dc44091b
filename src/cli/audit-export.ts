/**
 * `platform audit export`: lines for another system, to stdout or to a file that appears whole or not at all. A reader
 * that leaves the pipe ends the export.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { EnvironmentError, UsageError } from '../sim/errors.ts';
import { EXIT } from '../sim/pure/verdict.ts';
import type { AuditCall } from './audit-call.ts';
import { shownPath } from './write-reports.ts';

const CHUNK_LENGTH = 64 * 1024;

export async function exportLog({ desk, flags, io }: AuditCall): Promise<number> {
  const { format = 'ndjson', tenant } = flags;
  const lines = desk.exportLines({
    format,
    ...(tenant === undefined ? {} : { tenant }),
    ...(flags.from === undefined ? {} : { from: instant(desk, '--from', flags.from) }),
    ...(flags.to === undefined ? {} : { to: instant(desk, '--to', flags.to) }),
  });
  if (flags.out === undefined) {
    await pour(lines, io.stdout);
    return EXIT.pass;
  }
  const count = await writeFileOf(lines, path.resolve(flags.out));
  io.stderr.write(`${count} lines in ${shownPath(flags.out)}\n`);
  return EXIT.pass;
}

function instant(desk: AuditCall['desk'], flag: string, text: string): string {
  const at = desk.readInstant(text);
  if (at !== null) return at;
  throw new UsageError({
    what: `${flag} "${text}" is not understood`,
    why: 'it takes a time in UTC: 2026-11-01 or 2026-11-01T08:00:00Z',
    next: `platform audit export ${flag} 2026-11-01`,
  });
}

async function writeFileOf(lines: AsyncIterable<string>, file: string): Promise<number> {
  const beside = `${file}.${process.pid}.tmp`;
  const stream = createWriteStream(beside, { mode: 0o600 });
  try {
    await once(stream, 'open');
    const count = await pour(lines, stream);
    stream.end();
    await finished(stream);
    await rename(beside, file);
    return count;
  } catch (error) {
    stream.destroy();
    await rm(beside, { force: true });
    const { path: failed, message } = error as NodeJS.ErrnoException;
    if (failed !== beside) throw error;
    throw new EnvironmentError(
      {
        what: `cannot write ${shownPath(file)}`,
        why: message.replaceAll(beside, file),
        next: 'platform audit export --out <a file in a folder you may write to>',
      },
      { cause: error },
    );
  }
}

/** Waits for the reader; ends when it has gone. */
async function pour(lines: AsyncIterable<string>, to: NodeJS.WritableStream): Promise<number> {
  const stream = to as NodeJS.WritableStream & { readonly destroyed?: boolean };
  let chunk = '';
  let count = 0;
  const flush = async () => {
    const text = chunk;
    chunk = '';
    if (text === '' || stream.destroyed || stream.write(text)) return;
    const left = new AbortController();
    const { signal } = left;
    await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })])
      .catch(() => {}) // An output that fails is destroyed, which is what the loop looks at.
      .finally(() => left.abort());
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
