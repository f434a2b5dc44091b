/**
 * Verifies retired partitions. A partition may be absent if audit_retired has a row for it, if a chained event
 * `audit.retire` names the same digest (as request id `digest:<hex>`), if it was old enough, and if it had as many
 * records as the chain has for its range. The records of a given archive are compared with the chain like live rows.
 */
import { createHash, type Hash } from 'node:crypto';
import type { AuditRecord } from '../contract.ts';
import { isAfter, positionOf } from './block.ts';
import { leafOf, unixMicroseconds } from './encoding.ts';
import type { Findings } from './findings.ts';
import type { FindingKind, LogSource, RetiredPartition } from './verification.ts';
import type { RecordLocation } from './verify-missing.ts';

export interface Retention {
  /** The given archives, each read once. */
  readonly archives: readonly AsyncIterable<AuditRecord>[];
  /** Called for every member; true when it may lack a row, because its archive was not given. */
  countMember(occurredAtUs: number, hasRow: boolean, locate: () => RecordLocation): boolean;
  /** Called for every record that matches its hash. */
  observeRecord(record: AuditRecord): void;
  /** Once, at the end. Returns the number of archived members that were not read. */
  reportFindings(): number;
}

/** What the verifier has read of a retired partition. */
interface PartitionState {
  readonly retired: RetiredPartition;
  readonly fromUs: number;
  readonly toUs: number;
  readonly hasArchive: boolean;
  readonly digest: Hash;
  members: number;
  archived: number;
  readError: string | null;
  first: RecordLocation | null;
}

const DAY_US = 86_400_000_000;

/**
 * Yields the records and digests their leaves. Ends at the first read error; the records behind it are then missing.
 */
async function* withDigest(
  partition: PartitionState,
  records: AsyncIterable<AuditRecord>,
): AsyncGenerator<AuditRecord> {
  try {
    for await (const record of records) {
      positionOf(record); // Throws for a record without a valid xid and id.
      partition.digest.update(leafOf(record));
      yield record;
    }
  } catch (error) {
    partition.readError = (error as Error).message;
  }
}

export async function openRetention(
  source: Pick<LogSource, 'retired' | 'archive'>,
  findings: Findings,
  minRetentionDays: number,
): Promise<Retention> {
  const archives: AsyncIterable<AuditRecord>[] = [];
  const partitions = (await source.retired()).map((retired): PartitionState => {
    const records = source.archive?.(retired) ?? null;
    const partition: PartitionState = {
      retired,
      fromUs: unixMicroseconds(retired.from),
      toUs: unixMicroseconds(retired.to),
      hasArchive: records !== null,
      digest: createHash('sha256'),
      members: 0,
      archived: 0,
      readError: null,
      first: null,
    };
    if (records) archives.push(withDigest(partition, records));
    return partition;
  });
  const retirementUs = new Map<string, number>();

  return {
    archives,

    countMember(occurredAtUs, hasRow, locate) {
      let isArchived = false;
      for (const partition of partitions) {
        if (occurredAtUs < partition.fromUs || occurredAtUs >= partition.toUs) continue;
        partition.members += 1;
        if (!partition.first || partition.first.sequence > locate().sequence) {
          const location = locate();
          if (!partition.first || isAfter(partition.first.at, location.at))
            partition.first = location;
        }
        if (hasRow || partition.hasArchive || isArchived) continue;
        partition.archived += 1;
        isArchived = true;
      }
      return isArchived;
    },

    observeRecord(record) {
      if (record.action !== 'audit.retire' || record.outcome !== 'success') return;
      if (record.organisationId === '0' && record.resourceId !== null)
        retirementUs.set(
          `${record.resourceId} ${record.requestId}`,
          unixMicroseconds(record.occurredAt),
        );
    },

    reportFindings() {
      for (const partition of partitions) {
        const { partition: name, digest } = partition.retired;
        const eventUs = retirementUs.get(`${name} digest:${digest}`);
        reportPartition(findings, partition, { eventUs, minRetentionDays });
      }
      return partitions.reduce((sum, { archived }) => sum + archived, 0);
    },
  };
}

/** `eventUs`: time of the chained retirement event, if there is one. */
function reportPartition(
  findings: Findings,
  partition: PartitionState,
  { eventUs, minRetentionDays }: { eventUs: number | undefined; minRetentionDays: number },
): void {
  const { retired, first } = partition;
  const { at = null, ...location } = first ?? {};
  const where = { shard: null, sequence: null, block: null, ...location };
  const add = (kind: FindingKind, why: string) =>
    findings.add({ kind, ...where, detail: `partition ${retired.partition} ${why}` }, at);
  if (eventUs === undefined)
    add('retired-unrecorded', 'was retired without an event in the log that names its digest');
  const retiredUs = eventUs ?? unixMicroseconds(retired.retiredAt);
  if (retiredUs < partition.toUs + minRetentionDays * DAY_US)
    add('retired-early', `was retired before its ${minRetentionDays} days were over`);
  if (partition.members !== retired.records)
    add(
      'retired-mismatch',
      `had ${partition.members} records, its retirement says ${retired.records}`,
    );
  if (partition.readError !== null)
    add('archive-changed', `has an archive that cannot be read: ${partition.readError}`);
  else if (partition.hasArchive && partition.digest.digest('hex') !== retired.digest)
    add('archive-changed', 'has an archive with another digest than when it was retired');
}
