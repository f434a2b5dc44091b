/** Turn 1's before: every request reads the row in PostgreSQL and writes "last seen". */
import type { SessionsDesign } from '../design.ts';
import {
  type Clock,
  isoFromUs,
  type Random,
  type TransactionalDatabase,
  unthrottled,
} from '../ports.ts';
import { hashesEqual } from '../secret-token.ts';
import type { RevokeKeys, SessionStore } from './contract.ts';
import { hasEnded, hasIdled, toPublicSession } from './policy.ts';
import { createSessionRepository } from './session-repository.ts';
import { createRepositoryStore } from './session-repository-store.ts';
import { findSessions } from './session-rows.ts';
import { readToken } from './token.ts';

const noop = async () => {};

export function createRowPerRequestStore(given: {
  db: TransactionalDatabase;
  clock: Clock;
  random: Random;
  design: SessionsDesign;
  revokeKeys?: RevokeKeys;
}): SessionStore {
  const { db, clock, design } = given;
  const repository = createSessionRepository(given);
  return {
    ...createRepositoryStore({ ...given, repository, markPending: noop, invalidateCopies: noop }),
    start: noop,
    close: noop,
    async check(token, throttle = unthrottled) {
      const presented = readToken(token, design.region);
      if (!presented) return null;
      const row = await throttle(async () => {
        const found = (await findSessions(db, [presented.id])).get(presented.id);
        return found && hashesEqual(found.secretHash, presented.secretHash) ? found : null;
      });
      const nowMs = Math.floor(clock.nowUs() / 1_000);
      if (!row || row.revoked) return null;
      if (hasEnded(row, nowMs) || hasIdled(row.lastSeenAtMs, nowMs, design)) return null;
      return toPublicSession(row);
    },
    findCached: () => null,
    countCacheHit() {},
    touch({ id }) {
      const written = db.query({
        name: 'sessions-seen',
        text: 'UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND revoked_at IS NULL',
        values: [id, isoFromUs(clock.nowUs())],
      });
      // A caller that does not await it must not cause an unhandled rejection.
      const result = written.then(noop);
      result.catch(noop);
      return result;
    },
  };
}
