/**
 * Creates the services of a design: the one place where design data selects a strategy.
 */
import type { ApiKeys } from '../api-keys/contract.ts';
import { createApiKeys } from '../api-keys/store.ts';
import { createEveryResponseActivity } from '../audit/activity/activity-every-response.ts';
import { createOnDemandActivity } from '../audit/activity/activity-on-demand.ts';
import type { Activity, AuditObserver } from '../audit/contract.ts';
import { type Authorize, createAuthorize } from '../authorization.ts';
import type { Design } from '../design.ts';
import type { Projects } from '../projects/contract.ts';
import { createProjects } from '../projects/store.ts';
import type { LimiterObserver } from '../rate-limit/contract.ts';
import { createUserStore } from '../sessions/accounts/user-store.ts';
import type { Passwords, SessionObserver, SessionStore, UserStore } from '../sessions/contract.ts';
import { createPasswords } from '../sessions/hashing/password.ts';
import { createSessionStore, type SessionResources } from '../sessions/session-store.ts';
import {
  type AuditResources,
  type AuditService,
  createAuditService,
} from './audit/audit-services.ts';
import { createLimits, type LimitResources, type Limits } from './limits/limit-services.ts';

/** Dependencies that a process provides: its name, its stores, clock and randomness. */
export type Resources = SessionResources & LimitResources & AuditResources;

export interface Services {
  readonly sessions: SessionStore;
  readonly users: UserStore;
  readonly passwords: Passwords;
  readonly authorize: Authorize;
  readonly apiKeys: ApiKeys;
  readonly limits: Limits;
  readonly projects: Projects;
  /** Null in designs without an audit log. */
  readonly audit: AuditService | null;
  readonly activity: Activity;
}

export function createServices(
  design: Design,
  resources: Resources,
  observer: {
    readonly audit: AuditObserver & { report(error: Error): void };
    readonly sessions: SessionObserver;
    readonly limiter: LimiterObserver;
  },
): Services {
  const users = createUserStore(resources);
  const authorize = createAuthorize(users);
  const apiKeys = createApiKeys(resources);
  return {
    sessions: createSessionStore({
      ...resources,
      design: design.sessions,
      revokeKeys: apiKeys.revokeAllIn,
      observer: observer.sessions,
    }),
    users,
    authorize,
    passwords: createPasswords({ ...resources, design: design.sessions.password }),
    apiKeys,
    limits: createLimits(design.rateLimit, { ...resources, authorize }, observer.limiter),
    projects: createProjects(resources),
    audit: createAuditService(design, resources, observer.audit),
    activity: createActivity(design, resources, observer.audit),
  };
}

function createActivity(design: Design, resources: Resources, observer: AuditObserver): Activity {
  const { activity } = design;
  switch (activity.kind) {
    case 'every-response':
      return createEveryResponseActivity({ ...resources, items: activity.items });
    case 'on-demand':
      return createOnDemandActivity({ ...resources, design: activity, observer });
    default:
      return activity satisfies never;
  }
}
