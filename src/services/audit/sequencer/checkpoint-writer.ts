/**
 * Signs the heads of the chain. It never contradicts an earlier checkpoint: if the newest one names blocks that the
 * database lacks or has with another hash, no further checkpoint is written and an error is reported. The chain
 * continues; the verifier reports what is missing.
 */
import { type Database, isoFromUs } from '../../ports.ts';
import type { AuditKeys } from '../audit-keys.ts';
import type { Heads } from '../block-store.ts';
import {
  checkpointDigest,
  genesisDigest,
  readCheckpoint,
  type ShardHead,
  signCheckpoint,
} from '../chain/checkpoint.ts';
import type { CheckpointFile } from '../checkpoint-file.ts';

export interface CheckpointWriter {
  /** After taking the lock: compares the newest checkpoint with the database. */
  verifyNewest(db: Database): Promise<void>;
  /** No-op when no block was added since the newest checkpoint. */
  write(heads: Heads, nowUs: number): Promise<void>;
}

export function createCheckpointWriter(given: {
  keys: AuditKeys;
  file: CheckpointFile;
  report: (error: Error) => void;
}): CheckpointWriter {
  const { keys, file, report } = given;
  let isContradicted = false;
  let lastWritten: string | null = null;

  return {
    async verifyNewest(db) {
      isContradicted = true;
      const shards = readNewestHeads(file, report);
      if (shards === null) return;
      lastWritten = headsKey(shards);
      const mismatch = await findMismatch(db, shards);
      isContradicted = mismatch !== null;
      if (mismatch)
        report(
          new Error(
            `block ${mismatch.blocks} of shard ${mismatch.shard} differs from the newest checkpoint or is missing: no checkpoint is written`,
          ),
        );
    },

    async write(heads, nowUs) {
      const shards = shardHeads(heads);
      if (isContradicted || shards.length === 0 || headsKey(shards) === lastWritten) return;
      const at = isoFromUs(nowUs);
      await file.append((last) => {
        // This process may have been stopped just before, while another took the lock.
        if (last !== null && coversMore(readCheckpoint(last).shards, heads))
          throw new Error('another sequencer has signed more: this checkpoint is not written');
        const previous = last === null ? genesisDigest : checkpointDigest(last);
        return signCheckpoint({ at, shards, previous }, keys);
      });
      lastWritten = headsKey(shards);
    },
  };
}

/** Null: the newest line cannot be read. */
function readNewestHeads(
  file: CheckpointFile,
  report: (error: Error) => void,
): readonly ShardHead[] | null {
  try {
    const last = file.last();
    return last === null ? [] : readCheckpoint(last).shards;
  } catch (cause) {
    report(new Error('the newest checkpoint cannot be read: no further one is written', { cause }));
    return null;
  }
}

const headsKey = (shards: readonly ShardHead[]): string =>
  shards.map(({ shard, blocks }) => `${shard}:${blocks}`).join();

const coversMore = (signed: readonly ShardHead[], heads: Heads): boolean =>
  signed.some(({ shard, blocks }) => BigInt(blocks) > (heads.get(shard)?.number ?? 0n));

const shardHeads = (heads: Heads): ShardHead[] =>
  [...heads.values()]
    .sort((a, b) => a.shard - b.shard)
    .map(({ shard, number, firstSequence, records, hash }) => ({
      shard,
      blocks: `${number}`,
      records: `${firstSequence + BigInt(records) - 1n}`,
      head: hash.toString('hex'),
    }));

/** The first shard whose block of that number is not the one that was signed. */
async function findMismatch(db: Database, shards: readonly ShardHead[]): Promise<ShardHead | null> {
  if (shards.length === 0) return null;
  const [other] = await db.query<{ shard: number }>({
    text: `SELECT signed.shard FROM unnest($1::smallint[], $2::bigint[], $3::text[]) AS signed(shard, number, head)
             LEFT JOIN audit_blocks AS b USING (shard, number)
            WHERE b.hash IS DISTINCT FROM decode(signed.head, 'hex') ORDER BY 1 LIMIT 1`,
    values: [
      shards.map(({ shard }) => shard),
      shards.map(({ blocks }) => blocks),
      shards.map(({ head }) => head),
    ],
  });
  return other ? shards.find(({ shard }) => shard === other.shard)! : null;
}
