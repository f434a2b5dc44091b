import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../contract.ts';
import { type Block, makeBlock } from './block.ts';
import { genesisDigest, signCheckpoint } from './checkpoint.ts';
import { columns, edits, sampleRecord } from './fixtures/log.ts';
import { newKey } from './fixtures/memory-log.ts';
import { checkProof, type Proof, proveRecord } from './proof.ts';

const key = newKey();

/** A chain of one shard, a batch every 50 ms, signed at its end. */
function signedChain(blockCount: number, recordsPerBlock: number) {
  const blocks: Block[] = [];
  const records: AuditRecord[][] = [];
  for (let n = 0; n < blockCount; n += 1) {
    const of = Array.from({ length: recordsPerBlock }, (_, i) =>
      sampleRecord(1 + n * recordsPerBlock + i),
    );
    const sequencedAt = `2026-11-21T03:23:${String(10 + Math.floor(n / 20))}.${String(50 * (n % 20)).padStart(3, '0')}017Z`;
    const last = of.at(-1)!;
    // A row draws its id before its transaction gets an xid: an id may be less than one of the previous batch.
    const toId = BigInt(last.id) + (n % 2 === 0 ? 40n : 0n);
    const at = { toXid: 1_000_000n + BigInt(n) * 300n, toId, sequencedAt };
    blocks.push(makeBlock(blocks.at(-1) ?? null, 3, of, at));
    records.push(of);
  }
  const shards = Array.from({ length: 8 }, (_, shard) => ({
    shard,
    blocks: String(blockCount),
    records: String(blockCount * recordsPerBlock),
    head: shard === 3 ? blocks.at(-1)!.hash.toString('hex') : '0'.repeat(64),
  }));
  const at = '2026-11-21T03:24:00.000Z';
  const checkpoint = signCheckpoint({ at, shards, previous: genesisDigest }, key);
  return { blocks, records, trust: { checkpoint, publicKey: key.publicKeyPem } };
}

describe('a proof of one event', () => {
  it('is verified with the record, the checkpoint and the key, from any block and index', () => {
    const { blocks, records, trust } = signedChain(6, 5);
    blocks.forEach((_, n) => {
      records[n]!.forEach((record, index) => {
        const proof = proveRecord({ record, blocks: blocks.slice(n), index });
        const copy = JSON.parse(JSON.stringify(proof)) as Proof;
        expect(checkProof(record, copy, trust)).toEqual({
          proven: true,
          at: '2026-11-21T03:24:00.000Z',
          keyId: key.keyId,
        });
      });
    });
  });

  it('is at most 2 kB with a full second of blocks behind it and 400 records in each', () => {
    const { blocks, records, trust } = signedChain(21, 400);
    const record = records[0]![399]!;
    const proof = proveRecord({ record, blocks, index: 399 });
    expect(checkProof(record, proof, trust)).toMatchObject({ proven: true });
    expect(Buffer.byteLength(JSON.stringify(proof))).toBeLessThanOrEqual(2_048);
  });

  it.each(columns)('proves nothing for a record with another %s', (column) => {
    const { blocks, records, trust } = signedChain(3, 4);
    const record = records[0]![1]!;
    const proof = proveRecord({ record, blocks, index: 1 });
    for (const edited of edits(record, column))
      expect(checkProof(edited, proof, trust)).toMatchObject({ proven: false });
  });

  it('proves nothing when any part of it is changed', () => {
    const { blocks, records, trust } = signedChain(4, 4);
    const record = records[1]![2]!;
    const proof = proveRecord({ record, blocks: blocks.slice(1), index: 2 });
    const changed: Proof[] = [
      { ...proof, shard: 4 },
      { ...proof, sequence: String(BigInt(proof.sequence) + 1n) },
      { ...proof, path: proof.path.slice(44) },
      { ...proof, links: '' },
      { ...proof, links: proof.links.slice(8) },
      { ...proof, eventId: records[0]![0]!.eventId },
      ...Object.entries(proof.block).map(([name, value]) => ({
        ...proof,
        block: { ...proof.block, [name]: name === 'records' ? 5 : `${value}`.replace(/\d/, '9') },
      })),
    ];
    for (const one of changed)
      if (JSON.stringify(one) !== JSON.stringify(proof))
        expect(checkProof(record, one, trust)).toMatchObject({ proven: false });
  });

  it('proves nothing under another key or another checkpoint', () => {
    const { blocks, records, trust } = signedChain(2, 2);
    const record = records[0]![0]!;
    const proof = proveRecord({ record, blocks, index: 0 });
    const other = newKey();
    expect(checkProof(record, proof, { ...trust, publicKey: other.publicKeyPem })).toMatchObject({
      proven: false,
      why: 'the checkpoint is not signed with this key',
    });
    const longer = signedChain(3, 2).trust;
    expect(checkProof(record, proof, longer)).toMatchObject({ proven: false });
  });
});
