/** The HTTP routes that read the audit log, as far as the design has them. */
import path from 'node:path';
import { auditRoutes } from '../../audit/audit-routes.ts';
import { createEventProof } from '../../audit/event-proof.ts';
import { createAuditSearch } from '../../audit/search/search.ts';
import type { Design } from '../../design.ts';
import type { Clock, Database } from '../../ports.ts';
import type { Route } from '../../route.ts';
import type { Services } from '../services.ts';
import type { AuditState } from './audit-services.ts';
import { createEraseSubject } from './erase-person.ts';

/** Empty in designs without an audit log. */
export function auditReadingRoutes(
  { audit: design }: Design,
  given: { readonly db: Database; readonly auditState: AuditState | null; readonly clock: Clock },
  services: Services,
): readonly Route[] {
  const { db, auditState, clock } = given;
  const { audit } = services;
  if (audit === null || auditState === null) return [];
  const { storage, chain } = design;
  return auditRoutes({
    search: createAuditSearch({ db, storage, subjectKeys: audit.subjects }),
    prove:
      chain.kind === 'none'
        ? null
        : createEventProof({
            db,
            shards: chain.shards,
            checkpointFile: path.join(auditState.directory, 'checkpoints.ndjson'),
          }),
    erase: createEraseSubject({ ...services, subjects: audit.subjects, clock }),
    authorize: services.authorize,
  });
}
