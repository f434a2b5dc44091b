import { createPublicKey } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openAuditKeys } from '../audit-keys.ts';
import { type Block, makeBlock } from '../chain/block.ts';
import { checkpointDigest, isSignedBy, readCheckpoint } from '../chain/checkpoint.ts';
import { openCheckpointFile } from '../checkpoint-file.ts';
import type { AuditRecord } from '../contract.ts';
import { createCheckpointWriter } from './checkpoint-writer.ts';

const at = '2026-11-21T00:00:00.000000Z';
const record: AuditRecord = {
  version: 1,
  id: '1',
  xid: '9',
  receivedAt: at,
  occurredAt: at,
  sealed: null,
  eventId: '019a0000-0000-7000-8000-000000000001',
  organisationId: '1',
  userId: '1',
  sessionHash: null,
  keyId: null,
  agent: null,
  action: 'project.read',
  outcome: 'success',
  resourceType: 'project',
  resourceId: null,
  reason: null,
  requestId: 'r',
  clientRequestId: null,
  region: 'us',
  service: 'test',
  change: null,
};
const next = (previous: Block | null, shard: number) =>
  makeBlock(previous, shard, [record, record], { toXid: 9n, toId: 1n, sequencedAt: at });
const one = next(null, 1);
const two = next(one, 1);
const other = next(null, 3);

let root: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'platform-writer-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function writer() {
  const file = openCheckpointFile(path.join(root, 'checkpoints.ndjson'));
  const keys = await openAuditKeys(root);
  const made = () => createCheckpointWriter({ keys, file, report: () => {} });
  return { file, keys, made };
}

it('signs the newest block of each shard, chained to the line before, and nothing twice', async () => {
  const { file, keys, made } = await writer();
  const checkpoints = made();
  await checkpoints.write(new Map(), 0);
  expect(file.last()).toBeNull();
  await checkpoints.write(new Map([[1, one]]), 0);
  const first = file.last()!;
  await checkpoints.write(new Map([[1, one]]), 1);
  expect(file.last()).toBe(first);
  await checkpoints.write(
    new Map([
      [3, other],
      [1, two],
    ]),
    2_000_000,
  );
  const last = readCheckpoint(file.last()!);
  expect(last).toMatchObject({
    at: '1970-01-01T00:00:02.000000Z',
    previous: checkpointDigest(first),
    shards: [
      { shard: 1, blocks: '2', records: '4', head: two.hash.toString('hex') },
      { shard: 3, blocks: '1', records: '2', head: other.hash.toString('hex') },
    ],
  });
  expect(isSignedBy(last, createPublicKey(keys.publicKeyPem))).toBe(true);
});

it('signs nothing when another has signed more meanwhile', async () => {
  const { file, made } = await writer();
  const [slow, fast] = [made(), made()];
  await slow.write(new Map([[1, one]]), 0);
  await fast.write(
    new Map([
      [1, two],
      [3, other],
    ]),
    1,
  );
  const newest = file.last();
  await expect(slow.write(new Map([[1, two]]), 2)).rejects.toThrow('has signed more');
  expect(file.last()).toBe(newest);
});
