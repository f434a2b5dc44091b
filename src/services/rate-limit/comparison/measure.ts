/**
 * What a limiter did, judged from outside by what is definite: a decision was made somewhere between the sending and
 * the answer, and only what holds wherever it was is counted.
 */
export interface Decided {
  readonly subject: string;
  readonly sentUs: number;
  readonly doneUs: number;
  readonly admitted: boolean;
}

/** Most admitted in any half-open window, of all subjects. */
export function worstWindow(decided: readonly Decided[], windowUs: number): number {
  let worst = 0;
  for (const of of bySubject(decided).values()) {
    const admitted = of.filter((one) => one.admitted).sort((a, b) => a.sentUs - b.sentUs);
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

/** Refused although all that may have been in the window left room. */
export function falseRefusals(
  decided: readonly Decided[],
  { limit, windowUs }: { limit: number; windowUs: number },
): number {
  let wrong = 0;
  for (const of of bySubject(decided).values()) {
    const admitted = of.filter((one) => one.admitted);
    for (const refusal of of) {
      if (refusal.admitted) continue;
      const maybe = admitted.filter(
        ({ sentUs, doneUs }) => sentUs <= refusal.doneUs && doneUs > refusal.sentUs - windowUs,
      );
      if (maybe.length < limit) wrong += 1;
    }
  }
  return wrong;
}

function bySubject(decided: readonly Decided[]): Map<string, Decided[]> {
  const groups = new Map<string, Decided[]>();
  for (const one of decided) {
    const group = groups.get(one.subject);
    if (group === undefined) groups.set(one.subject, [one]);
    else group.push(one);
  }
  return groups;
}
