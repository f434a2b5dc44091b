/**
 * What the reads of a view would have shown. A page that was loaded for one read and used again for a later one of the
 * same user is seen to be too old when an own action that it cannot hold had been acknowledged `stalenessUs` before. A
 * page of another user, whose cache entry has the same key, can be served while that entry is in the cache.
 */
import type { Figure } from '../../sim/result.ts';
import type { Action, ViewRead } from './view-read.ts';

export interface CoverageInput {
  readonly reads: readonly ViewRead[];
  /** By user, in the order of their acknowledgement. */
  readonly acknowledged: ReadonlyMap<string, readonly Action[]>;
  readonly stalenessUs: number;
  readonly seesAgeUs: number | undefined;
}

export interface ViewCoverage {
  /** Why a pass proves too little; null: it proves enough. */
  readonly gap: string | null;
  readonly figures: readonly Figure[];
}

export function measureViewCoverage(input: CoverageInput): ViewCoverage {
  const { reads, stalenessUs, seesAgeUs } = input;
  const ordered = reads.toSorted((a, b) => a.operation.sentUs - b.operation.sentUs);
  const ageUs = youngestSeen(ordered, input);
  const figures: Figure[] = [
    {
      id: 'stale-page-seen',
      label: 'age of the youngest stale page that would have been seen',
      value: ageUs,
      unit: 'us',
    },
    {
      id: 'pages-beside',
      label: 'reads beside a cached page of another user, each of which a shared key would show',
      value: readsBeside(ordered, stalenessUs),
      unit: 'count',
    },
  ];
  if (reads.length === 0) return { gap: 'no view was read', figures };
  if (seesAgeUs === undefined || (ageUs !== null && ageUs <= seesAgeUs))
    return { gap: null, figures };
  const seen = ageUs === null ? 'none' : `${(ageUs / 1e6).toFixed(2)} s at best`;
  return { gap: `no read would have shown a page ${seesAgeUs / 1e6} s old: ${seen}`, figures };
}

/** Null when no read would have shown any. `ordered`: by the instant they were sent. */
function youngestSeen(
  ordered: readonly ViewRead[],
  { acknowledged, stalenessUs }: CoverageInput,
): number | null {
  const previous = new Map<string, ViewRead>();
  let youngest: number | null = null;
  for (const read of ordered) {
    const { user, sentUs } = read.operation;
    const earlier = previous.get(user)?.operation;
    previous.set(user, read);
    if (earlier === undefined) continue;
    // What was acknowledged after the earlier page had left is not in it.
    const isExposed = (acknowledged.get(user) ?? []).some(
      ({ operation: { doneUs } }) => doneUs >= earlier.doneUs && doneUs <= sentUs - stalenessUs,
    );
    if (isExposed)
      youngest = Math.min(youngest ?? Number.POSITIVE_INFINITY, sentUs - earlier.sentUs);
  }
  return youngest;
}

/** Pairs of a read and an earlier one of another user, at most `stalenessUs` before it. */
function readsBeside(ordered: readonly ViewRead[], stalenessUs: number): number {
  const perUser = new Map<string, number>();
  let first = 0;
  let pairs = 0;
  for (const [index, { operation }] of ordered.entries()) {
    for (; ordered[first]!.operation.sentUs < operation.sentUs - stalenessUs; first += 1) {
      const { user } = ordered[first]!.operation;
      perUser.set(user, perUser.get(user)! - 1);
    }
    const own = perUser.get(operation.user) ?? 0;
    pairs += index - first - own;
    perUser.set(operation.user, own + 1);
  }
  return pairs;
}
