/**
 * Keys of the log, kept in a folder outside the database: an Ed25519 pair that signs checkpoints and archives, and the
 * key that wraps the subjects' keys. The first process creates the file atomically (`link` succeeds once); the others
 * read it. The public key is in a file of its own, for verifiers.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { publishFile, readIfExists } from '../secret-file.ts';
import { keyIdOf } from './chain/checkpoint.ts';

export interface AuditKeys {
  sign(bytes: Uint8Array): Buffer;
  readonly publicKeyPem: string;
  /** First 16 hex digits of the SHA-256 of the public key (DER). */
  readonly keyId: string;
  /** 32 bytes. */
  readonly wrappingKey: Buffer;
}

/** `directory` is the folder that holds the keys: `<stateDirectory>/audit`. */
export async function openAuditKeys(directory: string): Promise<AuditKeys> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, 'keys.json');
  const text = (await readIfExists(file)) ?? (await createKeys(file));
  const { signing, wrapping } = parse(file, text);
  const privateKey = createPrivateKey({
    key: Buffer.from(signing, 'base64'),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey(privateKey);
  const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const publicFile = path.join(directory, 'public-key.pem');
  if ((await readIfExists(publicFile)) !== publicKeyPem)
    await publishFile(publicFile, publicKeyPem, { mode: 0o644 });
  return {
    sign: (bytes) => sign(null, bytes, privateKey),
    publicKeyPem,
    keyId: keyIdOf(publicKey),
    wrappingKey: Buffer.from(wrapping, 'base64'),
  };
}

function parse(file: string, text: string): { signing: string; wrapping: string } {
  const keys = JSON.parse(text) as { signing?: unknown; wrapping?: unknown };
  const { signing, wrapping } = keys;
  if (typeof signing !== 'string' || typeof wrapping !== 'string')
    throw new Error(`${file} does not hold the keys of the audit log`);
  if (Buffer.from(wrapping, 'base64').length !== 32)
    throw new Error(`the wrapping key in ${file} has not 32 bytes`);
  return { signing, wrapping };
}

async function createKeys(file: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const signing = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64');
  const wrapping = randomBytes(32).toString('base64');
  await publishFile(file, JSON.stringify({ signing, wrapping }), { mode: 0o600 });
  // Another process may have created the file first; then its keys are used.
  return await readFile(file, 'utf8');
}
