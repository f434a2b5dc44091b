/**
 * Erases a person in one transaction: the key of their personal fields in the audit log, the account's address and
 * password, addresses and devices of sessions, API keys, projects. All sessions end. The event of the erasure is written last, in
 * the same transaction, so a crash leaves either everything or nothing erased, and it may be repeated.
 *
 * A stolen session is not enough: the person presents the password. An operator has the database and names the person.
 *
 * What stays, for the retention of the log (365 days in the database at least, then in archive files): who did what, when, with
 * which outcome, under ids. It opens no address and no device from before the erasure. The erasure itself, and what
 * happens after it, is sealed under the key of the next epoch and can be read by an auditor.
 */
import { eraseKeysOf } from '../../api-keys/erase-owner.ts';
import { AdminError } from '../../audit/admin/admin-error.ts';
import type { Operator } from '../../audit/archive/archive.ts';
import type { EraseSubject } from '../../audit/audit-routes.ts';
import { createSubjectKeys, type SubjectKeys } from '../../audit/subject-keys.ts';
import { type Clock, type Database, isoFromUs, ServiceError, timeOrderedId } from '../../ports.ts';
import { eraseProjectsOf } from '../../projects/erase-owner.ts';
import { answerLoggedOut, originOf } from '../../sessions/accounts/account-routes.ts';
import { eraseAccount } from '../../sessions/accounts/erase-account.ts';
import type { Passwords, SessionStore, UserStore } from '../../sessions/contract.ts';
import { invalidateAllCopies } from '../../sessions/fence.ts';
import { endSessionRows } from '../../sessions/session-rows.ts';

/** All but account and sessions, which the session store erases. */
async function eraseElsewhere(
  tx: Database,
  userId: string,
  { subjects, clock }: { subjects: Pick<SubjectKeys, 'erase'>; clock: Clock },
): Promise<void> {
  await eraseKeysOf(tx, userId, { erasedAt: isoFromUs(clock.nowUs()) });
  await eraseProjectsOf(tx, userId);
  await subjects.erase(tx, userId);
}

export const createEraseSubject =
  (given: {
    sessions: SessionStore;
    users: UserStore;
    passwords: Passwords;
    subjects: Pick<SubjectKeys, 'erase'>;
    clock: Clock;
  }): EraseSubject =>
  async (call) => {
    const { sessions, users, passwords } = given;
    const { userId } = call;
    const credentials = await users.findCredentials(userId);
    // The first attempt was committed and not confirmed: its password is gone, and the rest is done again.
    const isRepeated = credentials === null && (await users.isErased(userId));
    const passwordHash = credentials?.passwordHash ?? null;
    const turn = { address: call.address, account: userId };
    const isProven =
      isRepeated || (await passwords.verify(call.body.password as string, passwordHash, turn));
    const recordIn = async (tx: Database) => {
      await eraseElsewhere(tx, userId, given);
      await call.recordIn(tx);
    };
    const isErased =
      isProven && (await sessions.erase(userId, passwordHash, { ...originOf(call), recordIn }));
    if (isErased) return answerLoggedOut;
    call.keepLimitUnits();
    throw new ServiceError({
      status: 403,
      code: 'wrong-password',
      detail: 'The password is wrong, and nothing was erased.',
    });
  };

/**
 * For an operator, without a gateway. The event has user 0, because the operator is not a user, and belongs to the
 * organisation of the erased user. Running gateways stop using their copies of sessions.
 */
export async function erasePersonByOperator(
  db: Database,
  userId: string,
  operator: () => Promise<Operator>,
): Promise<{ eventId: string }> {
  const { clock, random, region } = await operator();
  const nowUs = clock.nowUs();
  const erasedAt = isoFromUs(nowUs);
  const eventId = timeOrderedId(nowUs, random.uuid());
  const requestId = `operator:${eventId}`;
  // Erasing decrypts nothing, so the wrapping key does not matter.
  const subjects = createSubjectKeys({ db, wrappingKey: Buffer.alloc(32), clock });
  await db.query({ text: 'BEGIN' });
  try {
    // Locked as for a login, so that no session is opened meanwhile.
    const [user] = await db.query<{ organisationId: string }>({
      text: 'SELECT organisation_id AS "organisationId" FROM users WHERE id = $1 FOR UPDATE',
      values: [userId],
    });
    if (!user) throw userUnknown(userId);
    await eraseAccount(db, userId, erasedAt);
    await endSessionRows(db, userId, { reason: 'erased', requestId, at: erasedAt });
    await invalidateAllCopies(db);
    await eraseElsewhere(db, userId, { subjects, clock });
    await db.query({
      text: `INSERT INTO audit_logs (event_id, occurred_at, organisation_id, user_id, action, resource_type,
                                     resource_id, outcome, request_id, region, service)
             VALUES ($1, $2, $3, 0, 'subject.erase', 'subject', $4, 'success', $5, $6, 'operator')`,
      values: [eventId, erasedAt, user.organisationId, userId, requestId, region],
    });
    await db.query({ text: 'COMMIT' });
  } catch (error) {
    // The first error is reported.
    await db.query({ text: 'ROLLBACK' }).catch(() => null);
    throw error;
  }
  return { eventId };
}

const userUnknown = (userId: string) =>
  new AdminError('usage', {
    what: `there is no user ${userId}`,
    why: 'only a user has personal fields in the log',
    next: 'platform audit erase <user>, by the id that GET /me shows',
  });
