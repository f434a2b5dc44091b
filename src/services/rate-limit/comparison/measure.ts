/**
 * Measures a limiter from the client's side. A decision was made at some instant between sending and answer; only what
 * holds for every such instant is counted.
 */
export interface ObservedDecision {
  readonly subject: string;
  readonly sentUs: number;
  readonly doneUs: number;
  readonly admitted: boolean;
}

/** The most requests admitted in any half-open window of one subject. */
export function worstWindow(decided: readonly ObservedDecision[], windowUs: number): number {
  let worst = 0;
  for (const group of groupBySubject(decided).values()) {
    const admitted = group.filter(({ admitted }) => admitted).sort((a, b) => a.sentUs - b.sentUs);
    for (const [index, { sentUs }] of admitted.entries()) {
      const endUs = sentUs + windowUs;
      let inside = 0;
      for (let at = index; at < admitted.length && admitted[at]!.sentUs < endUs; at += 1)
        if (admitted[at]!.doneUs < endUs) inside += 1;
      worst = Math.max(worst, inside);
    }
  }
  return worst;
}

/** Requests refused although the window had room for certain. */
export function falseRefusals(
  decided: readonly ObservedDecision[],
  { limit, windowUs }: { limit: number; windowUs: number },
): number {
  let count = 0;
  for (const group of groupBySubject(decided).values()) {
    const admitted = group.filter(({ admitted }) => admitted);
    for (const refusal of group) {
      if (refusal.admitted) continue;
      const maybe = admitted.filter(
        ({ sentUs, doneUs }) => sentUs <= refusal.doneUs && doneUs > refusal.sentUs - windowUs,
      );
      if (maybe.length < limit) count += 1;
    }
  }
  return count;
}

function groupBySubject(decided: readonly ObservedDecision[]): Map<string, ObservedDecision[]> {
  const groups = new Map<string, ObservedDecision[]>();
  for (const decision of decided) {
    const group = groups.get(decision.subject);
    if (group === undefined) groups.set(decision.subject, [decision]);
    else group.push(decision);
  }
  return groups;
}
