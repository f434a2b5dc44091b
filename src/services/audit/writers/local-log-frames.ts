/**
 * Frames of the local log. A frame is the payload's length (4 bytes), its CRC-32 (4) and the payload: an event as JSON
 * with its personal fields encrypted. Decoding ends at the first incomplete or damaged frame, because nothing after it
 * was acknowledged. Deterministic except for the nonce of the encryption.
 */
import { crc32 } from 'node:zlib';
import type { AuditEvent, PersonalFields } from '../contract.ts';
import { decrypt, encrypt } from '../seal.ts';

export const FRAME_HEADER_BYTES = 8;
/** An event has about 700 bytes; what clients send is truncated far below this limit. */
export const MAX_PAYLOAD_BYTES = 64 * 1024;

/** Bound to the ciphertext (AEAD): it decrypts only as a part of a local log. */
const ASSOCIATED_DATA = 'platform-audit-local-log';

/** `key` encrypts the personal fields. */
export function encodeFrame(event: AuditEvent, key: Buffer): Buffer {
  const { personal, ...rest } = event;
  const sealed = encrypt(key, ASSOCIATED_DATA, Buffer.from(JSON.stringify(personal))).toString(
    'base64',
  );
  const payload = Buffer.from(JSON.stringify({ ...rest, sealed }));
  if (payload.length > MAX_PAYLOAD_BYTES) throw new Error(`an event of ${payload.length} bytes`);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(crc32(payload), 4);
  return Buffer.concat([header, payload]);
}

/** Payloads of the whole, undamaged frames at the start of `bytes`, and the offset after the last of them. */
export function decodeFrames(bytes: Buffer): { payloads: Buffer[]; end: number } {
  const payloads: Buffer[] = [];
  let offset = 0;
  while (offset + FRAME_HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32BE(offset);
    const end = offset + FRAME_HEADER_BYTES + length;
    if (length === 0 || length > MAX_PAYLOAD_BYTES || end > bytes.length) break;
    const payload = bytes.subarray(offset + FRAME_HEADER_BYTES, end);
    if (crc32(payload) !== bytes.readUInt32BE(offset + 4)) break;
    payloads.push(payload);
    offset = end;
  }
  return { payloads, end: offset };
}

/** Throws when the personal fields cannot be decrypted with `key`. */
export function decodeEvent(payload: Buffer, key: Buffer): AuditEvent {
  const { sealed, ...rest } = JSON.parse(payload.toString()) as Omit<AuditEvent, 'personal'> & {
    sealed: string;
  };
  const personal = decrypt(key, ASSOCIATED_DATA, Buffer.from(sealed, 'base64'));
  if (!personal) throw new Error(`event ${rest.eventId} of the local log cannot be decrypted`);
  return { ...rest, personal: JSON.parse(personal.toString()) as PersonalFields };
}
