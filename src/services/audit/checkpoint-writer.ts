/**
 * Signs what the elected sequencer chained. It never signs against its own past: where the newest checkpoint speaks of
 * blocks the database does not have, or has otherwise, no further one is written, and the operator is told. The chain
 * goes on; the verifier says what is missing.
 */
import { type Database, isoFromUs } from '../ports.ts';
import type { AuditKeys } from './audit-keys.ts';
import type { Heads } from './block-store.ts';
import {
  checkpointDigest,
  noCheckpoint,
  readCheckpoint,
  type ShardHead,
  signCheckpoint,
} from './chain/checkpoint.ts';
import type { CheckpointFile } from './checkpoint-file.ts';

export interface CheckpointWriter {
  /** Once after an election: compares the newest checkpoint with the database. */
  compare(db: Database): Promise<void>;
  /** Does nothing when nothing was added since the newest checkpoint. */
  write(heads: Heads, nowUs: number): Promise<void>;
}

export function createCheckpointWriter(given: {
  keys: AuditKeys;
  file: CheckpointFile;
  report: (error: Error) => void;
}): CheckpointWriter {
  const { keys, file, report } = given;
  let contradicted = false;
  let written: string | null = null;

  return {
    async compare(db) {
      contradicted = true;
      const shards = newest(file, report);
      if (shards === null) return;
      written = spell(shards);
      const other = await firstOther(db, shards);
      contradicted = other !== null;
      if (other)
        report(
          new Error(
            `the newest checkpoint has ${other.blocks} blocks in shard ${other.shard}, and the log does not have them so: no checkpoint is written`,
          ),
        );
    },

    async write(heads, nowUs) {
      const shards = shardHeads(heads);
      if (contradicted || shards.length === 0 || spell(shards) === written) return;
      const at = isoFromUs(nowUs);
      await file.append((last) => {
        // Stopped for a while just before this, and another was elected meanwhile.
        if (last !== null && hasMore(readCheckpoint(last).shards, heads))
          throw new Error('another sequencer has signed more: this checkpoint is not written');
        const previous = last === null ? noCheckpoint : checkpointDigest(last);
        return signCheckpoint({ at, shards, previous }, keys);
      });
      written = spell(shards);
    },
  };
}

/** Null: it cannot be read. */
function newest(file: CheckpointFile, report: (error: Error) => void): readonly ShardHead[] | null {
  try {
    const last = file.last();
    return last === null ? [] : readCheckpoint(last).shards;
  } catch (cause) {
    report(new Error('the newest checkpoint cannot be read: no further one is written', { cause }));
    return null;
  }
}

const spell = (shards: readonly ShardHead[]): string =>
  shards.map(({ shard, blocks }) => `${shard}:${blocks}`).join();

const hasMore = (signed: readonly ShardHead[], heads: Heads): boolean =>
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
async function firstOther(db: Database, shards: readonly ShardHead[]): Promise<ShardHead | null> {
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
