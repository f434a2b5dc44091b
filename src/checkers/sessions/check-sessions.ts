/**
 * Logout is final. To its users a session is a flag that is set once, so the history of one session can be
 * explained exactly when there is an instant t at which it was revoked: not before anyone asked for it, not
 * after a revocation was acknowledged, with every accepted use before it and every refusal after it.
 *
 *   revocation   |l-======l+|                  t >= l-   of the first that was asked for
 *   accepted   |v-===v+|                       t >= v-   of every accepted use
 *   refused            |r-=====r+|             t <= r+   of every refusal, and t <= l+
 *
 * So one comparison decides a session: max(min l-, max v-) <= min(min l+, min r+). Stamps are taken before the
 * first byte and after the last, so a slow network only widens intervals and cannot raise a false alarm. A
 * revocation of unknown outcome may have happened at any time (l+ is infinite); a failed one never did.
 * O(n) over the events, one small state for each session.
 */
import type { SessionEvent, SessionExpiry } from './session-event.ts';
import { isDefinite, type SessionState, sessionStates } from './session-states.ts';
import { sessionWitness } from './session-witness.ts';

export interface SessionsInput {
  readonly events: readonly SessionEvent[];
  readonly expiries?: readonly SessionExpiry[];
  /** A verdict needs this many probes on each of these processes; empty: in all. */
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
  /** Requests accepted although the session was over: sent after an acknowledged revocation, or after a refusal. */
  readonly acceptedLate: number;
  /** Longest time from an acknowledged revocation to the sending of a request that was still accepted; 0 for none. */
  readonly revocationLagUs: number;
  /** Sessions accepted again after a refusal that was due. */
  readonly resurrected: number;
  /** Sessions refused although nothing had asked for their end. */
  readonly lost: number;
  /** Ten operations at most, worst session first. */
  readonly lateWitness: readonly Readonly<Record<string, unknown>>[];
  readonly lostWitness: readonly Readonly<Record<string, unknown>>[];
  /** Why the history is too thin for a verdict; null when it is not. */
  readonly notSeen: string | null;
}

export function checkSessions(input: SessionsInput): SessionFindings {
  const { events } = input;
  const states = sessionStates(events, input.expiries ?? []);
  const probes = new ProbeCounts();
  const total = { revoked: 0, acceptedLate: 0, revocationLagUs: 0, resurrected: 0, lost: 0 };
  const late: [string, SessionState][] = [];
  const lost: [string, SessionState][] = [];
  for (const [subject, state] of states) {
    if (state.revokedByUs !== Number.POSITIVE_INFINITY) total.revoked += 1;
    if (isLate(state)) late.push([subject, state]);
    if (isResurrected(state)) total.resurrected += 1;
    if (state.lostAtUs < state.askedUs) lost.push([subject, state]);
    total.revocationLagUs = Math.max(total.revocationLagUs, lagUs(state));
  }
  for (const event of events) {
    const { kind, operation } = event;
    const state = states.get(event.subject);
    if (kind === 'revoke' || state === undefined || !isDefinite(event)) continue;
    const after = operation.sentUs > state.revokedByUs;
    if (after) probes.count('after', operation.target);
    else if (operation.doneUs < state.askedUs) probes.count('live', operation.target);
    if (kind === 'accepted' && operation.sentUs > overUs(state)) total.acceptedLate += 1;
  }
  late.sort(([, a], [, b]) => b.acceptedUs - overUs(b) - (a.acceptedUs - overUs(a)));
  lost.sort(([, a], [, b]) => a.lostAtUs - b.lostAtUs);
  return {
    ...total,
    sessions: states.size,
    lost: lost.length,
    probesAfterRevoke: probes.all('after'),
    liveProbes: probes.all('live'),
    lateWitness: sessionWitness(events, late, 'accepted after it was over'),
    lostWitness: sessionWitness(events, lost, 'refused though nothing had ended it'),
    notSeen: probes.missing(input.mustHaveSeen),
  };
}

/** From when on the session is over beyond doubt: a revocation was acknowledged, or its effect was seen. */
function overUs({ revokedByUs, refusedUs }: SessionState): number {
  return Math.min(revokedByUs, refusedUs);
}

function isLate(state: SessionState): boolean {
  return state.acceptedUs > overUs(state);
}

function isResurrected({ acceptedUs, refusedUs }: SessionState): boolean {
  return acceptedUs > refusedUs;
}

function lagUs({ acceptedUs, revokedByUs }: SessionState): number {
  return Math.max(0, acceptedUs - revokedByUs);
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

  all(kind: 'after' | 'live'): number {
    return [...this.#counts[kind].values()].reduce((sum, count) => sum + count, 0);
  }

  missing({ targets, afterRevoke, live }: SessionsInput['mustHaveSeen']): string | null {
    const wanted = [
      { kind: 'after', least: afterRevoke, what: 'uses after an acknowledged logout' },
      { kind: 'live', least: live, what: 'uses of a live session' },
    ] as const;
    for (const { kind, least, what } of wanted) {
      const seen: [string, number][] =
        targets.length === 0
          ? [['', this.all(kind)]]
          : targets.map((target) => [target, this.#counts[kind].get(target) ?? 0]);
      for (const [target, count] of seen) {
        if (count >= least) continue;
        const where = target === '' ? '' : ` on ${target}`;
        return `${count} ${what}${where}, ${least} needed`;
      }
    }
    return null;
  }
}
