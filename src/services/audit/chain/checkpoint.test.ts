import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkpointDigest,
  genesisDigest,
  isSignedBy,
  keyIdOf,
  readCheckpoint,
  signCheckpoint,
} from './checkpoint.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const signer = {
  keyId: keyIdOf(publicKey),
  sign: (bytes: Buffer) => sign(null, bytes, privateKey),
};
const content = {
  at: '2026-11-21T03:23:15.123Z',
  shards: [
    { shard: 0, blocks: '12', records: '340', head: 'ab'.repeat(32) },
    { shard: 3, blocks: '1', records: '1', head: 'cd'.repeat(32) },
  ],
  previous: genesisDigest,
};

describe('a checkpoint', () => {
  it('has the signed content and is valid only under the key that signed it', () => {
    const line = signCheckpoint(content, signer);
    const checkpoint = readCheckpoint(line);
    expect(checkpoint).toMatchObject({ ...content, version: 1, keyId: signer.keyId });
    expect(isSignedBy(checkpoint, publicKey)).toBe(true);
    expect(isSignedBy(checkpoint, generateKeyPairSync('ed25519').publicKey)).toBe(false);
    expect(line).not.toContain('\n');
  });

  it('is rejected after any change of one character', () => {
    const line = signCheckpoint(content, signer);
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, to) => {
        fc.pre(line[at] !== to);
        const changed = line.slice(0, at) + to + line.slice(at + 1);
        let isAccepted = false;
        try {
          isAccepted = isSignedBy(readCheckpoint(changed), publicKey);
        } catch {
          // Rejected: not in canonical form.
        }
        expect(isAccepted).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['an added member', (line: string) => line.replace('{', '{"note":1,')],
    ['a space', (line: string) => line.replace(',', ', ')],
    ['a repeated shard', (line: string) => line.replace('"shard":3', '"shard":0')],
    ['nothing', () => ''],
    ['null', () => 'null'],
  ])('is rejected with %s', (_name, change) => {
    expect(() => readCheckpoint(change(signCheckpoint(content, signer)))).toThrow(/checkpoint/);
  });

  it('has the digest of the previous line', () => {
    const first = signCheckpoint(content, signer);
    const second = signCheckpoint({ ...content, previous: checkpointDigest(first) }, signer);
    expect(readCheckpoint(second).previous).toBe(checkpointDigest(first));
    expect(checkpointDigest(second)).not.toBe(checkpointDigest(first));
  });
});
