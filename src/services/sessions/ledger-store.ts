/**
 * What every store that keeps its truth in PostgreSQL does the same way. `hold` hears of sessions about to end,
 * inside the transaction; `settle` must not resolve before no process accepts the ended ones any more.
 */
import type { SessionsDesign } from '../design.ts';
import type { Clock, Random, RecordIn } from '../ports.ts';
import { sameHash } from '../secret-token.ts';
import type { Created, Origin, Session, SessionStore } from './contract.ts';
import type { Ending, Ledger, NewSession, Revocation } from './ledger.ts';
import { endOf, publicSession, type StoredSession } from './policy.ts';
import type { LedgerRow } from './session-rows.ts';
import { makeToken, readToken } from './token.ts';

/** The same origin, whose event also says what the store found out. */
const about = (origin: Origin, known: Parameters<RecordIn>[1]): Origin => ({
  ...origin,
  recordIn: (tx) => origin.recordIn(tx, known),
});

export function createLedgerStore(given: {
  ledger: Ledger;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
  hold: Ending;
  settle: (ids: readonly string[]) => Promise<void>;
}): Omit<SessionStore, 'start' | 'close' | 'check' | 'recall' | 'confirmed' | 'used'> {
  const { ledger, clock, random, design, hold, settle } = given;
  const nowMs = () => Math.floor(clock.nowUs() / 1_000);

  /** The row a token proves possession of, ended or not. */
  const rowOf = async (token: string): Promise<LedgerRow | null> => {
    const presented = readToken(token, design.region);
    const row = presented && (await ledger.find(presented.id));
    return row && sameHash(row.secretHash, presented.secretHash) ? row : null;
  };

  const make = (userId: string, endsAtMs?: number): { token: string; session: NewSession } => {
    const { token, id, secretHash } = makeToken(design.region, random);
    const createdAtMs = nowMs();
    const endsAt = endsAtMs ?? endOf(createdAtMs, design);
    return { token, session: { id, userId, secretHash, createdAtMs, endsAtMs: endsAt } };
  };

  const created = (token: string, session: StoredSession): Created => ({
    token,
    session: publicSession(session),
  });

  const rotation = ({ id, userId }: Session, reason: string): Revocation => ({
    ...{ userId, only: id, event: 'rotated', actorId: userId, reason },
  });

  // Those ended before are settled again: their call may have failed between commit and confirmation.
  const endAll = async (what: Revocation, origin: Origin) => {
    const { ended, before } = await ledger.revoke(what, origin, hold);
    await settle([...ended, ...before]);
    return { ended: ended.length, all: ended.length + before.length };
  };

  return {
    async create({ userId, passwordHash, presented }, origin) {
      const made = make(userId);
      const old = presented === '' ? null : await rowOf(presented);
      const replaces = old && rotation(old, 'login');
      const opening = { session: made.session, reason: 'login', passwordHash, replaces } as const;
      const asMade = about(origin, { sessionId: made.session.id });
      const { opened } = await ledger.open(opening, asMade, hold);
      if (opened && old) await settle([old.id]);
      return opened && created(made.token, opened);
    },

    async end(token, origin) {
      const row = await rowOf(token);
      if (!row) return null;
      const { id, userId, organisationId } = row;
      const what: Revocation = {
        ...{ userId, only: id, event: 'revoked', actorId: userId, reason: 'logout' },
      };
      // Only the token said whose session it is.
      const asOwner = about(origin, { userId, organisationId, sessionId: id });
      await ledger.revoke(what, asOwner, hold);
      await settle([id]);
      return publicSession(row);
    },

    async renew(token, origin) {
      const row = await rowOf(token);
      if (!row || row.revoked) return null;
      const made = make(row.userId, row.endsAtMs);
      const opening = { session: made.session, reason: 'renewal' } as const;
      const change = await ledger.replace(rotation(row, 'renewal'), opening, origin, hold);
      if (!change) return null;
      await settle(change.ended);
      return created(made.token, change.opened);
    },

    list: (userId) => ledger.list(userId, nowMs() - design.idleTimeoutMs),

    async revoke({ userId }, sessionId, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'revoked-by-user' } as const;
      return (await endAll({ ...what, userId, only: sessionId }, origin)).all > 0;
    },

    async revokeOthers({ id, userId }, origin) {
      const what = { event: 'revoked', actorId: userId, reason: 'others' } as const;
      return (await endAll({ ...what, userId, except: id }, origin)).ended;
    },

    async revokeAll(userId, { id, reason }, origin) {
      return (await endAll({ event: 'revoked', userId, actorId: id, reason }, origin)).ended;
    },

    async disable(userId, actorId, origin) {
      const what = {
        event: 'revoked',
        userId,
        actorId,
        reason: 'disabled',
        disable: true,
      } as const;
      return (await endAll(what, origin)).ended;
    },

    async changePassword(session, { from, to }, origin) {
      const made = make(session.userId);
      const opening = { session: made.session, reason: 'password-change' } as const;
      const change = { ...opening, current: session.id, from, to };
      const changed = await ledger.changePassword(change, origin, hold);
      if (!changed) return null;
      await settle(changed.ended);
      return created(made.token, changed.opened);
    },

    refuse: (userId, origin) => ledger.refuse(userId, origin),
  };
}
