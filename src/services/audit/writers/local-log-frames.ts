/**
 * Frames of the local log: length (4 bytes), CRC-32 of the payload (4), then the event as JSON with its personal fields
 * encrypted. Reading ends at the first torn frame, because nothing after it was ever acknowledged. Pure but for the
 * nonce of the encryption.
 */
import { crc32 } from 'node:zlib';
import type { AuditEvent, PersonalFields } from '../contract.ts';
import { decrypt, encrypt } from '../seal.ts';

export const frameHeaderBytes = 8;
/** An event has about 700 bytes; input from clients is truncated well below this. */
export const maxPayloadBytes = 64 * 1024;

const associatedData = 'platform-audit-local-log';

export function encodeFrame(event: AuditEvent, key: Buffer): Buffer {
  const { personal, ...rest } = event;
  const sealed = encrypt(key, associatedData, Buffer.from(JSON.stringify(personal))).toString(
    'base64',
  );
  const payload = Buffer.from(JSON.stringify({ ...rest, sealed }));
  if (payload.length > maxPayloadBytes) throw new Error(`an event of ${payload.length} bytes`);
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(crc32(payload), 4);
  return Buffer.concat([header, payload]);
}

/** Payloads of the whole frames at the start of `bytes`, and the offset behind them. */
export function decodeFrames(bytes: Buffer): { payloads: Buffer[]; end: number } {
  const payloads: Buffer[] = [];
  let at = 0;
  while (at + frameHeaderBytes <= bytes.length) {
    const length = bytes.readUInt32BE(at);
    const end = at + frameHeaderBytes + length;
    if (length === 0 || length > maxPayloadBytes || end > bytes.length) break;
    const payload = bytes.subarray(at + frameHeaderBytes, end);
    if (crc32(payload) !== bytes.readUInt32BE(at + 4)) break;
    payloads.push(payload);
    at = end;
  }
  return { payloads, end: at };
}

export function decodeEvent(payload: Buffer, key: Buffer): AuditEvent {
  const { sealed, ...rest } = JSON.parse(payload.toString()) as Omit<AuditEvent, 'personal'> & {
    sealed: string;
  };
  const personal = decrypt(key, associatedData, Buffer.from(sealed, 'base64'));
  if (!personal) throw new Error(`event ${rest.eventId} of the local log cannot be decrypted`);
  return { ...rest, personal: JSON.parse(personal.toString()) as PersonalFields };
}
