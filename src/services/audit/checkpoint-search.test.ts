import { generateKeyPairSync, sign } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { genesisDigest, readCheckpoint, signCheckpoint } from './chain/checkpoint.ts';
import { findCheckpoint } from './checkpoint-search.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const signer = {
  keyId: '0123456789abcdef',
  sign: (bytes: Buffer) => sign(null, bytes, privateKey),
};
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'checkpoints-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Blocks of two shards at each checkpoint; the lines differ in length by the size of the numbers. */
function write(counts: readonly (readonly [bigint, bigint])[]): string {
  const file = path.join(folder, 'checkpoints.ndjson');
  const lines = counts.map((blocks) =>
    signCheckpoint(
      {
        at: '2026-11-21T03:23:15.123456Z',
        shards: blocks.flatMap((count, shard) =>
          count === 0n
            ? []
            : [{ shard, blocks: `${count}`, records: `${count}`, head: 'ab'.repeat(32) }],
        ),
        previous: genesisDigest,
      },
      signer,
    ),
  );
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}

const steps = fc.array(fc.tuple(fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: 0n, max: 2n })), {
  maxLength: 40,
});

describe('the first checkpoint over a block', () => {
  it('is the one that reading all of them finds', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.bigInt({ min: 1n, max: 60n }),
        fc.nat(2),
        async (added, block, shard) => {
          let sum: readonly [bigint, bigint] = [0n, 0n];
          const counts = added.map(([a, b]) => {
            sum = [sum[0] + a, sum[1] + b];
            return sum;
          });
          const expected = counts.find((count) => (count[shard] ?? 0n) >= block);
          const found = await findCheckpoint(write(counts), { shard, block });
          const blocks = found && readCheckpoint(found).shards.map((one) => BigInt(one.blocks));
          expect(blocks).toEqual(expected ? expected.filter((count) => count > 0n) : null);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('does not count what a crash left of a line, or a file that is not there', async () => {
    const file = write([[1n, 1n]]);
    appendFileSync(file, '{"version":1,"at":"2026');
    expect(await findCheckpoint(file, { shard: 0, block: 1n })).not.toBeNull();
    expect(await findCheckpoint(file, { shard: 0, block: 2n })).toBeNull();
    expect(await findCheckpoint(`${file}.none`, { shard: 0, block: 1n })).toBeNull();
  });
});
