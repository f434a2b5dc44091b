/**
 * Self-contained archive file of a partition, gzip: a header line, every record as one line of JSON in the order
 * (xid, id), and a trailer with their number, the digest of their leaves and a signature over both and the header. It is
 * verified without the database and read line by line.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { AuditKeys } from '../audit-keys.ts';
import { leafOf } from '../chain/encoding.ts';
import type { AuditRecord } from '../contract.ts';

export interface ArchiveHeader {
  readonly format: 'platform-audit-archive';
  readonly version: 1;
  readonly partition: string;
  /** Bounds of occurred_at, ISO; `to` is not included. */
  readonly from: string;
  readonly to: string;
}

interface ArchiveTrailer {
  readonly records: number;
  /** SHA-256 over the leaves in order, hex. */
  readonly digest: string;
  readonly keyId: string;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** The file is not an intact archive. */
export class ArchiveError extends Error {}

const signedBytes = (header: string, { records, digest }: { records: number; digest: string }) =>
  Buffer.from(`platform-audit-archive\n${header}\n${records}\n${digest}`);

/** Resolves when the file is synced. */
export async function writeArchive(
  file: string,
  given: { header: ArchiveHeader; records: AsyncIterable<AuditRecord>; keys: AuditKeys },
): Promise<{ records: number; digest: string }> {
  const header = JSON.stringify(given.header);
  const leaves = createHash('sha256');
  let records = 0;
  let digest = '';
  async function* lines() {
    yield `${header}\n`;
    let page: string[] = [];
    for await (const record of given.records) {
      leaves.update(leafOf(record));
      records += 1;
      page.push(formatRecord(record));
      if (page.length === 500) {
        yield page.join('');
        page = [];
      }
    }
    digest = leaves.digest('hex');
    const signature = given.keys.sign(signedBytes(header, { records, digest })).toString('base64');
    const trailer: ArchiveTrailer = { records, digest, keyId: given.keys.keyId, signature };
    yield `${page.join('')}${JSON.stringify(trailer)}\n`;
  }
  await pipeline(Readable.from(lines()), createGzip(), createWriteStream(file, { mode: 0o600 }));
  const handle = await open(file, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { records, digest };
}

const formatRecord = (record: AuditRecord): string =>
  `${JSON.stringify({ ...record, sealed: record.sealed?.toString('base64') ?? null })}\n`;

/** The records without any verification. */
export async function* archivedRecords(file: string): AsyncIterable<AuditRecord> {
  for await (const { kind, value } of readParts(file)) if (kind === 'record') yield value;
}

/** Throws ArchiveError unless header and records are signed with one of the keys (PEM). */
export async function checkArchive(
  file: string,
  { publicKeys }: { publicKeys: readonly string[] },
): Promise<{ header: ArchiveHeader; records: number; digest: string }> {
  const leaves = createHash('sha256');
  let headerLine = '';
  let records = 0;
  let trailer: ArchiveTrailer | null = null;
  try {
    for await (const part of readParts(file)) {
      if (trailer) throw new ArchiveError('there are lines after the trailer');
      if (part.kind === 'header') headerLine = part.value;
      else if (part.kind === 'trailer') trailer = part.value;
      else {
        leaves.update(leafOf(part.value));
        records += 1;
      }
    }
  } catch (cause) {
    throw new ArchiveError(`${file} cannot be read as an archive: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (!trailer) throw new ArchiveError(`${file} ends before its trailer`);
  const found = { records, digest: leaves.digest('hex') };
  if (trailer.records !== found.records || trailer.digest !== found.digest)
    throw new ArchiveError(
      `${file} does not hold the ${trailer.records} records it was signed for`,
    );
  const signature = Buffer.from(trailer.signature, 'base64');
  const bytes = signedBytes(headerLine, found);
  if (!publicKeys.some((pem) => verify(null, bytes, createPublicKey(pem), signature)))
    throw new ArchiveError(`${file} is signed with none of the keys given`);
  return { header: JSON.parse(headerLine) as ArchiveHeader, ...found };
}

type Part =
  | { readonly kind: 'header'; readonly value: string }
  | { readonly kind: 'record'; readonly value: AuditRecord }
  | { readonly kind: 'trailer'; readonly value: ArchiveTrailer };

async function* readParts(file: string): AsyncIterable<Part> {
  let first = true;
  for await (const line of readLines(file)) {
    if (first) yield { kind: 'header', value: line };
    else yield parseLine(line);
    first = false;
  }
}

/** Without node:readline, where an error after an early return is an uncaught exception. */
async function* readLines(file: string): AsyncIterable<string> {
  const source = createReadStream(file);
  const unpacked = source.pipe(createGunzip()).setEncoding('utf8');
  // `pipe` does not forward errors.
  source.on('error', (error) => unpacked.destroy(error));
  let rest = '';
  try {
    for await (const chunk of unpacked) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
    if (rest !== '') yield rest;
  } finally {
    source.destroy();
  }
}

function parseLine(line: string): Part {
  const value = JSON.parse(line) as ArchiveTrailer | (AuditRecord & { sealed: string | null });
  if (!('eventId' in value)) return { kind: 'trailer', value };
  const sealed = value.sealed === null ? null : Buffer.from(value.sealed, 'base64');
  return { kind: 'record', value: { ...value, sealed } };
}
