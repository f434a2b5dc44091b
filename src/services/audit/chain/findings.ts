/**
 * Collects findings in bounded memory and puts them in the order of the log, so that the first one is the first bad
 * record. A log that is wrong everywhere must not make the verifier fall over: of each kind it keeps a fixed number
 * and counts the rest.
 */
import { isAfter, type Position } from './block.ts';
import type { Finding, FindingKind } from './verification.ts';

/** Where in the order of the log a finding belongs; null: behind everything that has a place. */
export type At = Position | null;

export interface Findings {
  add(finding: Finding, at: At): void;
  result(): { findings: Finding[]; findingCount: number; first: Finding | null };
}

export function createFindings(maxFindings: number): Findings {
  const kept: { finding: Finding; at: At }[] = [];
  const keptOfKind = new Map<FindingKind, number>();
  let findingCount = 0;

  const inOrder = (a: (typeof kept)[number], b: (typeof kept)[number]): number => {
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
      const ofKind = keptOfKind.get(finding.kind) ?? 0;
      if (ofKind >= maxFindings) return;
      keptOfKind.set(finding.kind, ofKind + 1);
      kept.push({ finding, at });
    },

    result() {
      const findings = kept.sort(inOrder).map(({ finding }) => finding);
      const first = findings.find(({ sequence }) => sequence !== null) ?? findings[0] ?? null;
      return { findings: findings.slice(0, maxFindings), findingCount, first };
    },
  };
}
