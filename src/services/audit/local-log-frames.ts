/**
 * How events stand in the local log: length (4 bytes), CRC-32 of what follows (4), then the event as JSON with its
 * personal fields sealed. A frame is whole or it is the end: behind a torn one nothing was ever confirmed. Pure but for
 * the nonce of the sealing.
 */
import { crc32 } from 'node:zlib';
import type { AuditEvent, PersonalFields } from './contract.ts';
import { decrypt, encrypt } from './seal.ts';

export const headerBytes = 8;
/** An event is some 700 bytes; its parts from outside are cut long before this. */
export const maxPayloadBytes = 64 * 1024;

const about = 'platform-audit-local-log';

export function frameOf(event: AuditEvent, key: Buffer): Buffer {
  const { personal, ...rest } = event;
  const sealed = encrypt(key, about, Buffer.from(JSON.stringify(personal))).toString('base64');
  const payload = Buffer.from(JSON.stringify({ ...rest, sealed }));
  if (payload.length > maxPayloadBytes) throw new Error(`an event of ${payload.length} bytes`);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(crc32(payload), 4);
  return Buffer.concat([header, payload]);
}

/** Payloads of the whole frames at the start of `bytes`, and where they end. */
export function readFrames(bytes: Buffer): { payloads: Buffer[]; end: number } {
  const payloads: Buffer[] = [];
  let at = 0;
  while (at + headerBytes <= bytes.length) {
    const length = bytes.readUInt32BE(at);
    const end = at + headerBytes + length;
    if (length === 0 || length > maxPayloadBytes || end > bytes.length) break;
    const payload = bytes.subarray(at + headerBytes, end);
    if (crc32(payload) !== bytes.readUInt32BE(at + 4)) break;
    payloads.push(payload);
    at = end;
  }
  return { payloads, end: at };
}

export function eventOf(payload: Buffer, key: Buffer): AuditEvent {
  const { sealed, ...rest } = JSON.parse(payload.toString()) as Omit<AuditEvent, 'personal'> & {
    sealed: string;
  };
  const personal = decrypt(key, about, Buffer.from(sealed, 'base64'));
  if (!personal) throw new Error(`event ${rest.eventId} of the local log does not open`);
  return { ...rest, personal: JSON.parse(personal.toString()) as PersonalFields };
}
