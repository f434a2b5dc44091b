/**
 * The fewest operations that show a violation: of each session its first revocation, the refusal and the use that
 * contradict each other, and their neighbours. The worst session gets up to six operations, the next ones what is
 * left of ten.
 */
import type { OperationRecord } from '../../sim/history.ts';
import type { SessionEvent } from './session-event.ts';
import { isDefinite, type SessionState } from './session-states.ts';

const WITNESS_LIMIT = 10;
const PER_SESSION = 6;
const SESSIONS = 5;

/** `violating`: worst first. One pass over the events, whatever their number. */
export function buildSessionWitness(
  events: readonly SessionEvent[],
  violating: readonly (readonly [string, SessionState])[],
  violation: string,
): Readonly<Record<string, unknown>>[] {
  if (violating.length === 0) return [];
  const shown = violating.slice(0, SESSIONS);
  const eventsOf = new Map<string, SessionEvent[]>(shown.map(([subject]) => [subject, []]));
  for (const event of events) {
    if (isDefinite(event)) eventsOf.get(event.subject)?.push(event);
  }
  const witness: Record<string, unknown>[] = [];
  for (const [subject, state] of shown) {
    const maxEvents = Math.min(PER_SESSION, WITNESS_LIMIT - witness.length);
    for (const { kind, operation } of selectEvents(eventsOf.get(subject)!, state, maxEvents)) {
      witness.push({ violation, session: subject, event: kind, ...withoutBody(operation) });
    }
  }
  return witness;
}

/** Selects the decisive events first, then their neighbours in time, at most `maxEvents`; in order of sending. */
function selectEvents(
  events: SessionEvent[],
  state: SessionState,
  maxEvents: number,
): SessionEvent[] {
  events.sort((a, b) => a.operation.sentUs - b.operation.sentUs);
  const decisive = [
    events.findIndex(({ kind }) => kind === 'revoke'),
    events.findLastIndex(
      ({ kind, operation }) => kind === 'accepted' && operation.sentUs === state.lastAcceptedUs,
    ),
    events.findIndex(
      ({ kind, operation }) =>
        kind === 'refused' &&
        (operation.doneUs === state.firstDueRefusalUs || operation.doneUs === state.firstRefusalUs),
    ),
  ].filter((index) => index !== -1);
  const neighbours = decisive.flatMap((index) => [index - 1, index + 1]);
  const chosen = new Set<number>();
  for (const index of [...decisive, ...neighbours]) {
    if (chosen.size < maxEvents && events[index] !== undefined) chosen.add(index);
  }
  return [...chosen].sort((a, b) => a - b).map((index) => events[index]!);
}

function withoutBody(operation: OperationRecord): Partial<OperationRecord> {
  const { body: _, ...rest } = operation;
  return rest;
}
