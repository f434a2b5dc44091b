/**
 * An operator erases the key of a person's fields, without a gateway: the key and the event that says so in one
 * transaction. The operator is no user: the event says 0, and the organisation of the person sees it.
 */
import type { Operator } from '../audit/archive.ts';
import { createSubjectKeys } from '../audit/subject-keys.ts';
import { type Database, isoFromUs, timeOrderedId } from '../ports.ts';
import { DeskError } from './audit-desk-error.ts';

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
    throw new DeskError('usage', {
      what: `there is no user ${userId}`,
      why: 'only a user has personal fields in the log',
      next: 'platform audit erase <user>, by the id that GET /me shows',
    });
  const { clock, random, region } = await operator();
  const nowUs = clock.nowUs();
  const eventId = timeOrderedId(nowUs, random.uuid());
  // No key is opened here: any will do.
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
    // The error that matters is the first.
    await db.query({ text: 'ROLLBACK' }).catch(() => null);
    throw error;
  }
  return { eventId };
}
