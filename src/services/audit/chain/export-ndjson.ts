/**
 * A bundle for an independent verifier (bin/verify-audit-export.js shares no code with this): a header, blocks each
 * followed by its records, the newest checkpoint, and a trailer with the digest of all previous lines. Of other tenants'
 * records a bundle has only ids, times and hashes.
 */
import { createHash } from 'node:crypto';
import type { AuditRecord } from '../contract.ts';
import type { Block } from './block.ts';
import { type ExportScope, isInScope, shardsInScope } from './export-scope.ts';
import { sequencedRecords } from './sequenced-records.ts';
import type { LogSource } from './verification.ts';

const recordLine = (record: AuditRecord, shard: number, sequence: bigint) => ({
  kind: 'record',
  shard,
  sequence: String(sequence),
  record: {
    ...record,
    sealed: record.sealed?.toString('base64') ?? null,
  },
});

const blockLine = (block: Block) => ({
  kind: 'block',
  shard: block.shard,
  number: String(block.number),
  version: block.version,
  firstSequence: String(block.firstSequence),
  records: block.records,
  toXid: String(block.toXid),
  toId: String(block.toId),
  sequencedAt: block.sequencedAt,
  members: block.members.toString('base64'),
  root: block.root.toString('hex'),
  previous: block.previous.toString('hex'),
  hash: block.hash.toString('hex'),
});

/** Lines without newlines. */
export async function* exportNdjson(source: LogSource, scope: ExportScope): AsyncGenerator<string> {
  const digest = createHash('sha256');
  const counts = { records: 0, blocks: 0, checkpoints: 0 };
  const digestedLine = (value: unknown): string => {
    const text = JSON.stringify(value);
    digest.update(`${text}\n`);
    return text;
  };
  // The newest one; the source's snapshot of the log has every block that it signs.
  let checkpoint: string | null = null;
  for await (const line of source.checkpoints()) checkpoint = line;
  yield digestedLine({ kind: 'header', format: 'platform-audit-export', version: 1, ...scope });
  const selectedShards = shardsInScope(scope, await source.shards());
  for await (const item of sequencedRecords(source, { shards: scope.shards, selectedShards })) {
    if (item.kind === 'block') {
      counts.blocks += 1;
      yield digestedLine(blockLine(item.block));
    } else if (isInScope(item.record, scope)) {
      counts.records += 1;
      yield digestedLine(recordLine(item.record, item.shard, item.sequence));
    }
  }
  if (checkpoint !== null) {
    counts.checkpoints += 1;
    yield digestedLine({ kind: 'checkpoint', line: checkpoint });
  }
  yield JSON.stringify({ kind: 'trailer', ...counts, digest: digest.digest('hex') });
}
