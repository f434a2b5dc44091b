/** Of each operation that ends sessions: how many it ended with an acknowledgement, and how many of those were used later. */
import type { SessionEvent } from './session-event.ts';
import { guaranteedEndUs, isDefinite } from './session-states.ts';

export interface VerbCoverage {
  readonly verb: string;
  readonly ended: number;
  /** Of these, sessions with a definite answer to a request that was sent after the end. */
  readonly probed: number;
}

export function measureVerbs(
  events: readonly SessionEvent[],
  verbs: readonly string[],
): readonly VerbCoverage[] {
  const lastUseUs = new Map<string, number>();
  for (const event of events) {
    if (event.kind === 'revoke' || !isDefinite(event)) continue;
    const { sentUs } = event.operation;
    if (sentUs > (lastUseUs.get(event.subject) ?? -1)) lastUseUs.set(event.subject, sentUs);
  }
  const found = new Map(verbs.map((verb) => [verb, { ended: new Set(), probed: new Set() }]));
  for (const event of events) {
    const { kind, verb, subject } = event;
    const counts = found.get(verb ?? '');
    if (kind !== 'revoke' || counts === undefined || !isDefinite(event)) continue;
    const endUs = guaranteedEndUs(event);
    if (endUs === Number.POSITIVE_INFINITY) continue;
    counts.ended.add(subject);
    if ((lastUseUs.get(subject) ?? -1) > endUs) counts.probed.add(subject);
  }
  return [...found].map(([verb, { ended, probed }]) => ({
    verb,
    ended: ended.size,
    probed: probed.size,
  }));
}
