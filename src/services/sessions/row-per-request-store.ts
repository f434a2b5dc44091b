/** Turn 1's before: every request reads the row in PostgreSQL and writes back when it was seen. */
import type { SessionsDesign } from '../design.ts';
import { type Clock, isoFromUs, type Random, type TransactionalDatabase } from '../ports.ts';
import { sameHash } from '../secret-token.ts';
import type { SessionStore } from './contract.ts';
import { createLedger } from './ledger.ts';
import { createLedgerStore } from './ledger-store.ts';
import { hasEnded, hasIdled, publicSession } from './policy.ts';
import { findSessions } from './session-rows.ts';
import { readToken } from './token.ts';

const nothing = async () => {};

export function createRowPerRequestStore(given: {
  db: TransactionalDatabase;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
}): SessionStore {
  const { db, clock, design } = given;
  const ledger = createLedger(given);
  return {
    ...createLedgerStore({ ...given, ledger, hold: nothing, settle: nothing }),
    start: nothing,
    close: nothing,
    async check(token) {
      const presented = readToken(token, design.region);
      if (!presented) return null;
      const row = (await findSessions(db, [presented.id])).get(presented.id);
      const nowMs = Math.floor(clock.nowUs() / 1_000);
      if (!row || row.revoked || !sameHash(row.secretHash, presented.secretHash)) return null;
      if (hasEnded(row, nowMs) || hasIdled(row.lastSeenAtMs, nowMs, design)) return null;
      return publicSession(row);
    },
    recall: () => null,
    confirmed() {},
    used({ id }) {
      const written = db.query({
        name: 'sessions-seen',
        text: 'UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND revoked_at IS NULL',
        values: [id, isoFromUs(clock.nowUs())],
      });
      // Whoever does not wait for it does not have to hear of it.
      const heard = written.then(nothing);
      heard.catch(nothing);
      return heard;
    },
  };
}
