/**
 * Encrypts personal fields: AES-256-GCM under the key of their subject, stored as nonce (12 bytes), ciphertext, tag
 * (16). The user id is associated data, so fields of one user do not decrypt as another's. The chain hashes the
 * ciphertext, so it stays valid after the key is erased. Pure but for the nonce.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { PersonalFields } from './contract.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export function encrypt(key: Buffer, associatedData: string, plain: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const sealing = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(associatedData));
  return Buffer.concat([nonce, sealing.update(plain), sealing.final(), sealing.getAuthTag()]);
}

/** Null when the key or the associated data differ, or the ciphertext was changed. */
export function decrypt(key: Buffer, associatedData: string, sealed: Buffer): Buffer | null {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const end = sealed.length - TAG_BYTES;
  const opening = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(associatedData))
    .setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([opening.update(sealed.subarray(NONCE_BYTES, end)), opening.final()]);
  } catch {
    return null;
  }
}

const personalContext = (userId: string) => `platform-audit-personal\n${userId}`;

export const sealPersonal = (key: Buffer, userId: string, { ip, userAgent }: PersonalFields) =>
  encrypt(key, personalContext(userId), Buffer.from(JSON.stringify({ ip, userAgent })));

/** Null when they cannot be decrypted. */
export function openPersonal(key: Buffer, userId: string, sealed: Buffer): PersonalFields | null {
  const plain = decrypt(key, personalContext(userId), sealed);
  return plain && (JSON.parse(plain.toString()) as PersonalFields);
}
