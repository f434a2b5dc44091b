/**
 * Retirements: a partition may be gone if a row of audit_retired says so, if the chained event `audit.retire` of the
 * partition names the same digest (`digest:<hex>` as its request id), if it was old enough, and if it had as many records as the chain gives it.
 * Where the archive is at hand its records were compared one by one with the chain like any others.
 */
import { createHash, type Hash } from 'node:crypto';
import type { AuditRecord } from '../contract.ts';
import { isAfter, positionOf } from './block.ts';
import { leafOf, unixMicroseconds } from './encoding.ts';
import type { Findings } from './findings.ts';
import type { FindingKind, LogSource, Retired } from './verification.ts';
import type { Place } from './verify-lost.ts';

export interface Retention {
  /** The archives at hand, each read once. */
  readonly archives: readonly AsyncIterable<AuditRecord>[];
  /** Every member; true when it may be without a row, because it is in an archive that is not at hand. */
  member(occurredAtUs: number, present: boolean, place: () => Place): boolean;
  /** Every record that is what was hashed. */
  event(record: AuditRecord): void;
  /** Reports, once, at the end; the number of members that are archived and were not seen. */
  settle(): number;
}

interface Known {
  readonly retired: Retired;
  readonly fromUs: number;
  readonly toUs: number;
  readonly isAtHand: boolean;
  readonly digest: Hash;
  members: number;
  archived: number;
  unreadable: string | null;
  first: Place | null;
}

const dayUs = 86_400_000_000;

/** Ends early where the archive cannot be read on: what is behind is then missing. */
async function* digesting(
  known: Known,
  records: AsyncIterable<AuditRecord>,
): AsyncGenerator<AuditRecord> {
  try {
    for await (const record of records) {
      positionOf(record);
      known.digest.update(leafOf(record));
      yield record;
    }
  } catch (error) {
    known.unreadable = (error as Error).message;
  }
}

export async function openRetention(
  source: Pick<LogSource, 'retired' | 'archive'>,
  findings: Findings,
  minRetentionDays: number,
): Promise<Retention> {
  const archives: AsyncIterable<AuditRecord>[] = [];
  const all = (await source.retired()).map((retired): Known => {
    const records = source.archive?.(retired) ?? null;
    const known: Known = {
      retired,
      fromUs: unixMicroseconds(retired.from),
      toUs: unixMicroseconds(retired.to),
      isAtHand: records !== null,
      digest: createHash('sha256'),
      members: 0,
      archived: 0,
      unreadable: null,
      first: null,
    };
    if (records) archives.push(digesting(known, records));
    return known;
  });
  const events = new Map<string, number>();

  function judge(known: Known): void {
    const { retired, first } = known;
    const { at = null, ...place } = first ?? {};
    const where = { shard: null, sequence: null, block: null, ...place };
    const add = (kind: FindingKind, why: string) =>
      findings.add({ kind, ...where, detail: `partition ${retired.partition} ${why}` }, at);
    const eventUs = events.get(`${retired.partition} digest:${retired.digest}`);
    if (eventUs === undefined)
      add('retired-unrecorded', 'was retired without an event in the log that names its digest');
    const retiredUs = eventUs ?? unixMicroseconds(retired.retiredAt);
    if (retiredUs < known.toUs + minRetentionDays * dayUs)
      add('retired-early', `was retired before its ${minRetentionDays} days were over`);
    if (known.members !== retired.records)
      add(
        'retired-mismatch',
        `had ${known.members} records, its retirement says ${retired.records}`,
      );
    if (known.unreadable !== null)
      add('archive-changed', `has an archive that cannot be read: ${known.unreadable}`);
    else if (known.isAtHand && known.digest.digest('hex') !== retired.digest)
      add('archive-changed', 'has an archive with another digest than when it was retired');
  }

  return {
    archives,

    member(occurredAtUs, present, place) {
      let excused = false;
      for (const known of all) {
        if (occurredAtUs < known.fromUs || occurredAtUs >= known.toUs) continue;
        known.members += 1;
        if (!known.first || known.first.sequence > place().sequence) {
          const here = place();
          if (!known.first || isAfter(known.first.at, here.at)) known.first = here;
        }
        if (present || known.isAtHand || excused) continue;
        known.archived += 1;
        excused = true;
      }
      return excused;
    },

    event(record) {
      if (record.action !== 'audit.retire' || record.outcome !== 'success') return;
      if (record.organisationId === '0' && record.resourceId !== null)
        events.set(`${record.resourceId} ${record.requestId}`, unixMicroseconds(record.occurredAt));
    },

    settle() {
      for (const known of all) judge(known);
      return all.reduce((sum, { archived }) => sum + archived, 0);
    },
  };
}
