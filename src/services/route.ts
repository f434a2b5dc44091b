/**
 * A route as data: what a service offers over HTTP, without the HTTP framework. The gateway registers it, authenticates
 * and limits before `handle`, and writes the audit event after it and before the response.
 */

import type { AuditFields, RecordIn, ThrottleRead } from './ports.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface CallSession {
  readonly id: string;
  readonly userId: string;
  readonly organisationId: string;
  readonly createdAtMs: number;
  readonly endsAtMs: number;
}

export interface AuditContext
  extends Pick<AuditFields, 'sessionId' | 'change' | 'affectedOrganisationId' | 'denial'> {
  userId: string;
  organisationId: string;
  resourceId: string | null;
}

export interface Call {
  /** The user of the session or the owner of the API key; empty on routes that need neither. */
  readonly userId: string;
  /** Null on routes without a session, and for an API key. */
  readonly session: CallSession | null;
  /** The presented session token, empty when there is none. Verified only on routes of access `session`. */
  readonly token: string;
  /** The client's, as limits count it. */
  readonly address: string;
  /** Where the request comes from; sanitised for storage. */
  readonly origin: {
    readonly requestId: string;
    /** What the client called the request. */
    readonly clientRequestId: string | null;
    readonly device: string | null;
    readonly ip: string | null;
  };
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | number | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** What the audit event will say. A route without a session sets the user once it is known. */
  readonly auditContext: AuditContext;
  /** Writes the audit event; a route that changes data calls it in the transaction of the change. */
  readonly recordIn: RecordIn;
  /** For a read that a token causes which the gateway has not verified. */
  readonly throttleRead: ThrottleRead;
  /** A guess was wrong: what the request took of its limits stays taken, also if it is answered 503 after all. */
  keepLimitUnits(): void;
}

export interface RouteResponse {
  readonly status: number;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Set or, with null, clear the session cookie. */
  readonly sessionCookie?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly summary: string;
  /**
   * `session`: requires one. `session-or-key`: requires a session or an API key. `token`: the route itself verifies the
   * presented token. Otherwise anonymous, with the limits of that name.
   */
  readonly access: 'session' | 'session-or-key' | 'token' | 'login' | 'register';
  /** The route of a session verifies its user's password, so it also takes the limits of a login of that account. */
  readonly checksPassword?: boolean;
  /** A name in the design's `routeClasses`, which set the route's weight and limits of its own. */
  readonly routeClass?: string;
  /** While Redis is down: a bounded local share (default), or a refusal, for routes that verify or issue credentials. */
  readonly onLimiterDown?: 'share' | 'closed';
  readonly action: string;
  readonly resourceType: string;
  /** While PostgreSQL is down: a refusal (default, and always for a change), or the event goes to the local log first. */
  readonly onAuditDown?: 'refuse' | 'local-log';
  readonly params?: JsonSchema;
  readonly query?: JsonSchema;
  readonly body?: JsonSchema;
  /** Schema of each successful response by status; null for one without a body. */
  readonly responses: Readonly<Record<number, JsonSchema | null>>;
  /** Statuses of problems beside those every route has. */
  readonly problems?: readonly number[];
  handle(call: Call): RouteResponse | Promise<RouteResponse>;
}
