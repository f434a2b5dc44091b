/**
 * Erases the key of a user's personal fields for an operator, without a gateway: key and event in one transaction. The
 * event has user 0, because the operator is not a user, and belongs to the organisation of the erased user.
 */

import { type Database, isoFromUs, timeOrderedId } from '../../ports.ts';
import type { Operator } from '../archive/archive.ts';
import { createSubjectKeys } from '../subject-keys.ts';
import { AdminError } from './admin-error.ts';

export async function eraseSubject(
  db: Database,
  userId: string,
  operator: () => Promise<Operator>,
): Promise<{ eventId: string }> {
  const [user] = await db.query<{ organisationId: string }>({
    text: 'SELECT organisation_id AS "organisationId" FROM users WHERE id = $1',
    values: [userId],
  });
  if (!user)
    throw new AdminError('usage', {
      what: `there is no user ${userId}`,
      why: 'only a user has personal fields in the log',
      next: 'platform audit erase <user>, by the id that GET /me shows',
    });
  const { clock, random, region } = await operator();
  const nowUs = clock.nowUs();
  const eventId = timeOrderedId(nowUs, random.uuid());
  // Erasing decrypts nothing, so the wrapping key does not matter.
  const subjects = createSubjectKeys({ db, wrappingKey: Buffer.alloc(32), clock });
  await db.query({ text: 'BEGIN' });
  try {
    await subjects.erase(db, userId);
    await db.query({
      text: `INSERT INTO audit_logs (event_id, occurred_at, organisation_id, user_id, action, resource_type,
                                     resource_id, outcome, request_id, region, service)
             VALUES ($1, $2, $3, 0, 'subject.erase', 'subject', $4, 'success', $5, $6, 'operator')`,
      values: [
        eventId,
        isoFromUs(nowUs),
        user.organisationId,
        userId,
        `operator:${eventId}`,
        region,
      ],
    });
    await db.query({ text: 'COMMIT' });
  } catch (error) {
    // The first error is reported.
    await db.query({ text: 'ROLLBACK' }).catch(() => null);
    throw error;
  }
  return { eventId };
}
