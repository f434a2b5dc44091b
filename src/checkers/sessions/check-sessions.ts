/**
 * Logout is final. A session is a flag that is set once, so the history of one session is correct exactly when there
 * is an instant t at which it was revoked: not before the first revocation was sent, not after one was acknowledged,
 * with every accepted use before t and every refusal after it.
 *
 *   revocation   |l-======l+|                  t >= l-   of the first that was sent
 *   accepted   |v-===v+|                       t >= v-   of every accepted use
 *   refused            |r-=====r+|             t <= r+   of every refusal, and t <= l+
 *
 * So one comparison decides a session: max(min l-, max v-) <= min(min l+, min r+). Stamps are taken before the
 * first byte and after the last, so a slow network only widens intervals and cannot raise a false alarm. A
 * revocation of unknown outcome may have happened at any time (l+ is infinite); a failed one never did.
 * O(n) over the events, one small state for each session.
 */
import type { SessionEvent, SessionExpiry } from './session-event.ts';
import { foldSessionStates, isDefinite, type SessionState } from './session-states.ts';
import { buildSessionWitness } from './session-witness.ts';

export interface SessionsInput {
  readonly events: readonly SessionEvent[];
  readonly expiries?: readonly SessionExpiry[];
  /** A verdict needs this many probes on each of these processes; with no targets, in total. */
  readonly mustHaveSeen: {
    readonly targets: readonly string[];
    /** Uses of a session sent after its revocation had been acknowledged. */
    readonly afterRevoke: number;
    /** Uses of a session answered before anything could have ended it. */
    readonly live: number;
  };
}

export interface SessionFindings {
  readonly sessions: number;
  /** Sessions with an acknowledged revocation. */
  readonly revoked: number;
  readonly probesAfterRevoke: number;
  readonly liveProbes: number;
  /** Requests accepted although the session had ended: sent after an acknowledged revocation, or after a refusal. */
  readonly acceptedLate: number;
  /** Longest time from an acknowledged revocation to the sending of a request that was still accepted; 0 for none. */
  readonly revocationLagUs: number;
  /** Sessions accepted again after a refusal that was due. */
  readonly resurrected: number;
  /** Sessions refused although no revocation had been sent. */
  readonly lost: number;
  /** Ten operations at most, worst session first. */
  readonly lateWitness: readonly Readonly<Record<string, unknown>>[];
  readonly lostWitness: readonly Readonly<Record<string, unknown>>[];
  /** Which probes are too few for a verdict; null when there are enough. */
  readonly notSeen: string | null;
}

export function checkSessions(input: SessionsInput): SessionFindings {
  const { events } = input;
  const states = foldSessionStates(events, input.expiries ?? []);
  const probes = new ProbeCounts();
  const total = { revoked: 0, acceptedLate: 0, revocationLagUs: 0, resurrected: 0, lost: 0 };
  const late: [string, SessionState][] = [];
  const lost: [string, SessionState][] = [];
  for (const [subject, state] of states) {
    if (state.acknowledgedEndUs !== Number.POSITIVE_INFINITY) total.revoked += 1;
    if (isAcceptedLate(state)) late.push([subject, state]);
    if (isResurrected(state)) total.resurrected += 1;
    if (state.firstRefusalUs < state.earliestEndUs) lost.push([subject, state]);
    total.revocationLagUs = Math.max(total.revocationLagUs, lagUs(state));
  }
  for (const event of events) {
    const { kind, operation } = event;
    const state = states.get(event.subject);
    if (kind === 'revoke' || state === undefined || !isDefinite(event)) continue;
    const isAfterEnd = operation.sentUs > state.acknowledgedEndUs;
    if (isAfterEnd) probes.count('after', operation.target);
    else if (operation.doneUs < state.earliestEndUs) probes.count('live', operation.target);
    if (kind === 'accepted' && operation.sentUs > certainEndUs(state)) total.acceptedLate += 1;
  }
  late.sort(
    ([, a], [, b]) => b.lastAcceptedUs - certainEndUs(b) - (a.lastAcceptedUs - certainEndUs(a)),
  );
  lost.sort(([, a], [, b]) => a.firstRefusalUs - b.firstRefusalUs);
  return {
    ...total,
    sessions: states.size,
    lost: lost.length,
    probesAfterRevoke: probes.total('after'),
    liveProbes: probes.total('live'),
    lateWitness: buildSessionWitness(events, late, 'accepted after it was over'),
    lostWitness: buildSessionWitness(events, lost, 'refused though nothing had ended it'),
    notSeen: probes.findShortage(input.mustHaveSeen),
  };
}

/** The session has certainly ended: a revocation was acknowledged, or a use was refused because of one. */
function certainEndUs({ acknowledgedEndUs, firstDueRefusalUs }: SessionState): number {
  return Math.min(acknowledgedEndUs, firstDueRefusalUs);
}

function isAcceptedLate(state: SessionState): boolean {
  return state.lastAcceptedUs > certainEndUs(state);
}

function isResurrected({ lastAcceptedUs, firstDueRefusalUs }: SessionState): boolean {
  return lastAcceptedUs > firstDueRefusalUs;
}

function lagUs({ lastAcceptedUs, acknowledgedEndUs }: SessionState): number {
  return Math.max(0, lastAcceptedUs - acknowledgedEndUs);
}

class ProbeCounts {
  readonly #counts = {
    after: new Map<string, number>(),
    live: new Map<string, number>(),
  };

  count(kind: 'after' | 'live', target = ''): void {
    const counts = this.#counts[kind];
    counts.set(target, (counts.get(target) ?? 0) + 1);
  }

  total(kind: 'after' | 'live'): number {
    return [...this.#counts[kind].values()].reduce((sum, count) => sum + count, 0);
  }

  findShortage({ targets, afterRevoke, live }: SessionsInput['mustHaveSeen']): string | null {
    const required = [
      { kind: 'after', minimum: afterRevoke, what: 'uses after an acknowledged logout' },
      { kind: 'live', minimum: live, what: 'uses of a live session' },
    ] as const;
    for (const { kind, minimum, what } of required) {
      const seen: [string, number][] =
        targets.length === 0
          ? [['', this.total(kind)]]
          : targets.map((target) => [target, this.#counts[kind].get(target) ?? 0]);
      for (const [target, count] of seen) {
        if (count >= minimum) continue;
        const where = target === '' ? '' : ` on ${target}`;
        return `${count} ${what}${where}, ${minimum} needed`;
      }
    }
    return null;
  }
}
