/**
 * The canonical encoding of a record: the version, then every stored column in a fixed order with its length, so that
 * no two records share an encoding and every change of a column changes it. Null has a length that no value has.
 * Values with more than one spelling (an upper-case UUID, a leading zero, a lone surrogate) are refused. A layout never
 * changes; version 2 is version 1, then the client's request id and the change that the record is about.
 */
import { hash } from 'node:crypto';
import type { AuditRecord } from '../contract.ts';

/** A record no version of the encoding can express. */
export class EncodingError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'EncodingError';
  }
}

const nullLength = 0xffff_ffff;
const leafPrefix = 0x00;
const TWO_TO32 = 2 ** 32;
const MAX_ASCII_LOOP_LENGTH = 64;

// Encoding is synchronous, so all records share one buffer: allocating for each costs more than hashing it.
// The byte before the record is the leaf's prefix.
let scratch = Buffer.alloc(16_384);
let end = 0;

function reserve(bytes: number): void {
  if (end + bytes <= scratch.length) return;
  const larger = Buffer.alloc(2 * (end + bytes));
  scratch.copy(larger, 0, 0, end);
  scratch = larger;
}

function putUint32(value: number): void {
  scratch[end] = value >>> 24;
  scratch[end + 1] = value >>> 16;
  scratch[end + 2] = value >>> 8;
  scratch[end + 3] = value;
  end += 4;
}

function putBytes(bytes: Buffer): void {
  reserve(4 + bytes.length);
  putUint32(bytes.length);
  end += bytes.copy(scratch, end);
}

function putText(text: string): void {
  reserve(4 + 3 * text.length);
  if (text.length <= MAX_ASCII_LOOP_LENGTH && putAscii(text)) return;
  const length = scratch.write(text, end + 4);
  // UTF-8 turns every lone surrogate into the same three bytes.
  if (length !== text.length && /\p{Surrogate}/u.test(text))
    throw new EncodingError('text with half of a surrogate pair');
  putUint32(length);
  end += length;
}

/** Most texts are short and ASCII: a loop in JavaScript costs less than a call of the native `Buffer.write`. */
function putAscii(text: string): boolean {
  const start = end + 4;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return false;
    scratch[start + index] = code;
  }
  putUint32(text.length);
  end += text.length;
  return true;
}

function putNumber(value: number): void {
  reserve(12);
  putUint32(8);
  const upper = Math.floor(value / TWO_TO32);
  putUint32(upper);
  putUint32(value - upper * TWO_TO32);
}

function putBigint(value: bigint): void {
  if (BigInt.asIntN(64, value) !== value) throw new EncodingError(`${value} has more than 64 bits`);
  reserve(12);
  end = scratch.writeUInt32BE(8, end);
  end = scratch.writeBigInt64BE(value, end);
}

function putDecimal(text: string): void {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text))
    throw new EncodingError(`'${text}' is not a decimal integer`);
  if (text.length <= 15) putNumber(Number(text));
  else putBigint(BigInt(text));
}

function putInteger(value: number): void {
  if (!Number.isSafeInteger(value)) throw new EncodingError(`${value} is not an integer`);
  putNumber(value);
}

function putUuid(uuid: string): void {
  reserve(20);
  putUint32(16);
  let index = 0;
  for (let byte = 0; byte < 16; byte += 1) {
    if ((byte === 4 || byte === 6 || byte === 8 || byte === 10) && uuid[index++] !== '-')
      throw notUuid(uuid);
    const value = 16 * nibble(uuid.charCodeAt(index)) + nibble(uuid.charCodeAt(index + 1));
    if (!(value >= 0)) throw notUuid(uuid);
    scratch[end + byte] = value;
    index += 2;
  }
  if (index !== uuid.length) throw notUuid(uuid);
  end += 16;
}

/** The value of a hexadecimal digit in lower case; NaN for anything else. */
function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : Number.NaN;
}

const notUuid = (text: string) => new EncodingError(`'${text}' is not a UUID in lower case`);

function putTime(iso: string): void {
  const us = unixMicroseconds(iso);
  if (Number.isSafeInteger(us)) putNumber(us);
  else putBigint(BigInt(Date.parse(`${iso.slice(0, 23)}Z`)) * 1_000n + BigInt(iso.slice(23, 26)));
}

function putNullable<Value>(put: (value: Value) => void, value: Value | null): void {
  if (value !== null) {
    put(value);
    return;
  }
  reserve(4);
  end = scratch.writeUInt32BE(nullLength, end);
}

let cachedDay = Number.NaN;
let cachedDayMs = 0;

/**
 * `2026-11-21T03:23:15.123456Z` as Unix microseconds; exact from 1684 to 2255. Allocates nothing: it is called for
 * millions of records.
 */
export function unixMicroseconds(iso: string): number {
  const day =
    twoDigitsAt(iso, 0) * 1_000_000 +
    twoDigitsAt(iso, 2) * 10_000 +
    twoDigitsAt(iso, 5) * 100 +
    twoDigitsAt(iso, 8);
  const hours = twoDigitsAt(iso, 11);
  const minutes = twoDigitsAt(iso, 14);
  const seconds = twoDigitsAt(iso, 17);
  const microseconds =
    twoDigitsAt(iso, 20) * 10_000 + twoDigitsAt(iso, 22) * 100 + twoDigitsAt(iso, 24);
  // A character that is no digit gives NaN, and comparisons with NaN are false.
  const isTime = hours <= 23 && minutes <= 59 && seconds <= 59 && microseconds >= 0 && day >= 0;
  if (!isTime || !isPunctuated(iso)) throw notTime(iso);
  // Most records have the same day as the previous one.
  if (day !== cachedDay) {
    const text = iso.slice(0, 10);
    const dayMs = Date.parse(text);
    if (Number.isNaN(dayMs) || new Date(dayMs).toISOString().slice(0, 10) !== text)
      throw notTime(iso);
    cachedDay = day;
    cachedDayMs = dayMs;
  }
  const secondsOfDay = hours * 3_600 + minutes * 60 + seconds;
  return (cachedDayMs + secondsOfDay * 1_000) * 1_000 + microseconds;
}

/** Two decimal digits; NaN for anything else. */
function twoDigitsAt(text: string, index: number): number {
  const tens = text.charCodeAt(index) - 48;
  const ones = text.charCodeAt(index + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

const isPunctuated = (iso: string): boolean =>
  iso.length === 27 &&
  iso[4] === '-' &&
  iso[7] === '-' &&
  iso[10] === 'T' &&
  iso[13] === ':' &&
  iso[16] === ':' &&
  iso[19] === '.' &&
  iso[26] === 'Z';

const notTime = (text: string) =>
  new EncodingError(`'${text}' is not a time in UTC with microseconds`);

/** Writes the prefix and the record to `scratch`, up to `end`. */
function encode(record: AuditRecord): void {
  const { version } = record;
  if (version !== 1 && version !== 2)
    throw new EncodingError(`version ${version} of the record layout is not known`);
  scratch[0] = leafPrefix;
  scratch[1] = version;
  end = 2;
  putUuid(record.eventId);
  putTime(record.occurredAt);
  putTime(record.receivedAt);
  putDecimal(record.id);
  putDecimal(record.xid);
  putDecimal(record.organisationId);
  putDecimal(record.userId);
  putNullable(putText, record.sessionHash);
  putNullable(putDecimal, record.keyId);
  putNullable(putInteger, record.agent);
  putText(record.action);
  putText(record.resourceType);
  putNullable(putText, record.resourceId);
  putText(record.outcome);
  putNullable(putText, record.reason);
  putText(record.requestId);
  putText(record.region);
  putText(record.service);
  putNullable(putBytes, record.sealed);
  // Exports and archives of version 1 do not have these fields.
  const { clientRequestId = null, change = null } = record as Partial<AuditRecord>;
  if (version === 2) {
    putNullable(putText, clientRequestId);
    putNullable(putText, change);
  } else if (clientRequestId !== null || change !== null)
    throw new EncodingError("version 1 of the record layout has no client's request id or change");
}

/** Throws EncodingError for a record without a canonical form. */
export function encodeRecord(record: AuditRecord): Buffer {
  encode(record);
  return Buffer.from(scratch.subarray(1, end));
}

/** SHA-256(0x00 || record): a leaf of the Merkle tree of its block. */
export function leafOf(record: AuditRecord): Buffer {
  encode(record);
  return Buffer.from(hash('sha256', scratch.subarray(0, end), 'binary'), 'binary');
}

/**
 * Writes the record's member of a block at offset `at`: event id (16 bytes), `occurredAt` in Unix microseconds (8, big
 * endian), leaf (32).
 */
export function writeMember(record: AuditRecord, target: Buffer, at: number): void {
  encode(record);
  // Event id and time have fixed offsets in the encoding, each after its 4-byte length.
  scratch.copy(target, at, 6, 22);
  scratch.copy(target, at + 16, 26, 34);
  // As a binary string: allocating a Buffer for the digest costs four times the hash, and collecting it more.
  target.write(hash('sha256', scratch.subarray(0, end), 'binary'), at + 24, 'binary');
}
