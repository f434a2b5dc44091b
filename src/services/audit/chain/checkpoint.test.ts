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
const facts = {
  at: '2026-11-21T03:23:15.123Z',
  shards: [
    { shard: 0, blocks: '12', records: '340', head: 'ab'.repeat(32) },
    { shard: 3, blocks: '1', records: '1', head: 'cd'.repeat(32) },
  ],
  previous: genesisDigest,
};

describe('a checkpoint', () => {
  it('says what was signed, under the key that signed it and no other', () => {
    const line = signCheckpoint(facts, signer);
    const checkpoint = readCheckpoint(line);
    expect(checkpoint).toMatchObject({ ...facts, version: 1, keyId: signer.keyId });
    expect(isSignedBy(checkpoint, publicKey)).toBe(true);
    expect(isSignedBy(checkpoint, generateKeyPairSync('ed25519').publicKey)).toBe(false);
    expect(line).not.toContain('\n');
  });

  it('is refused or unsigned after any change of one character', () => {
    const line = signCheckpoint(facts, signer);
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, to) => {
        fc.pre(line[at] !== to);
        const changed = line.slice(0, at) + to + line.slice(at + 1);
        let held = false;
        try {
          held = isSignedBy(readCheckpoint(changed), publicKey);
        } catch {
          // Refused: not in canonical form.
        }
        expect(held).toBe(false);
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
  ])('is refused with %s', (_name, change) => {
    expect(() => readCheckpoint(change(signCheckpoint(facts, signer)))).toThrow(/checkpoint/);
  });

  it('names the line before by its digest', () => {
    const first = signCheckpoint(facts, signer);
    const second = signCheckpoint({ ...facts, previous: checkpointDigest(first) }, signer);
    expect(readCheckpoint(second).previous).toBe(checkpointDigest(first));
    expect(checkpointDigest(second)).not.toBe(checkpointDigest(first));
  });
});
