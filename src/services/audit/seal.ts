/**
 * Personal fields as they are stored: AES-256-GCM under the key of their subject, nonce (12 bytes), ciphertext, tag
 * (16). The user is authenticated with them, so that nobody's fields open as somebody else's. Stored bytes are what
 * the chain hashes: without the key they stay valid and say nothing. Pure but for the nonce.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { PersonalFields } from './contract.ts';

const cipher = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

export function encrypt(key: Buffer, about: string, plain: Buffer): Buffer {
  const nonce = randomBytes(nonceBytes);
  const sealing = createCipheriv(cipher, key, nonce).setAAD(Buffer.from(about));
  return Buffer.concat([nonce, sealing.update(plain), sealing.final(), sealing.getAuthTag()]);
}

/** Null when it was sealed under another key, about something else, or changed. */
export function decrypt(key: Buffer, about: string, sealed: Buffer): Buffer | null {
  if (sealed.length < nonceBytes + tagBytes) return null;
  const nonce = sealed.subarray(0, nonceBytes);
  const end = sealed.length - tagBytes;
  const opening = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes })
    .setAAD(Buffer.from(about))
    .setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([opening.update(sealed.subarray(nonceBytes, end)), opening.final()]);
  } catch {
    return null;
  }
}

const about = (userId: string) => `platform-audit-personal\n${userId}`;

export const sealPersonal = (key: Buffer, userId: string, { ip, userAgent }: PersonalFields) =>
  encrypt(key, about(userId), Buffer.from(JSON.stringify({ ip, userAgent })));

/** Null when they cannot be opened. */
export function openPersonal(key: Buffer, userId: string, sealed: Buffer): PersonalFields | null {
  const plain = decrypt(key, about(userId), sealed);
  return plain && (JSON.parse(plain.toString()) as PersonalFields);
}
