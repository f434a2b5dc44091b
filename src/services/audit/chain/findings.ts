/**
 * Collects findings in bounded memory and sorts them in the order of the log, so that the first one is the first bad
 * record. Of each kind it keeps `maxFindings` and counts the rest, however many there are.
 */
import { isAfter, type LogPosition } from './block.ts';
import type { Finding, FindingKind } from './verification.ts';

/** Position of a finding in the order of the log; null: sorted last. */
export type FindingPosition = LogPosition | null;

export interface Findings {
  add(finding: Finding, at: FindingPosition): void;
  result(): { findings: Finding[]; findingCount: number; first: Finding | null };
}

export function createFindings(maxFindings: number): Findings {
  const kept: { finding: Finding; at: FindingPosition }[] = [];
  const keptByKind = new Map<FindingKind, number>();
  let findingCount = 0;

  const compareInLogOrder = (a: (typeof kept)[number], b: (typeof kept)[number]): number => {
    if (a.at && b.at && isAfter(a.at, b.at)) return 1;
    if (a.at && b.at && isAfter(b.at, a.at)) return -1;
    if ((a.at === null) !== (b.at === null)) return a.at ? -1 : 1;
    if (a.finding.shard !== b.finding.shard)
      return (a.finding.shard ?? -1) - (b.finding.shard ?? -1);
    return Number((a.finding.sequence ?? 0n) - (b.finding.sequence ?? 0n));
  };

  return {
    add(finding, at) {
      findingCount += 1;
      const keptOfKind = keptByKind.get(finding.kind) ?? 0;
      if (keptOfKind >= maxFindings) return;
      keptByKind.set(finding.kind, keptOfKind + 1);
      kept.push({ finding, at });
    },

    result() {
      const findings = kept.sort(compareInLogOrder).map(({ finding }) => finding);
      const first = findings.find(({ sequence }) => sequence !== null) ?? findings[0] ?? null;
      return { findings: findings.slice(0, maxFindings), findingCount, first };
    },
  };
}
