/**
 * A route as data: what a service offers over HTTP, without the HTTP framework. The gateway registers it, checks
 * the session and the limit before `handle`, and writes the audit event after it and before the answer.
 */

import type { RecordIn } from './ports.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface CallSession {
  readonly id: string;
  readonly userId: string;
  readonly organisationId: string;
  readonly createdAtMs: number;
  readonly endsAtMs: number;
}

export interface Trail {
  userId: string;
  organisationId: string;
  resourceId: string | null;
  /** Where it is not the session of the call: one that just began, or ended. */
  sessionId?: string;
}

export interface Call {
  /** The session's, or the API key's owner; empty on routes that need neither. */
  readonly userId: string;
  /** Null on routes without a session, and for an API key. */
  readonly session: CallSession | null;
  /** The presented session token, empty when there is none. Only routes of access `session` have checked it. */
  readonly token: string;
  /** Where the request comes from, fit to be stored. */
  readonly origin: {
    readonly requestId: string;
    readonly device: string | null;
    readonly ip: string | null;
  };
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | number | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** What the audit event will say. A route without a session names the user as soon as it knows. */
  readonly trail: Trail;
  /** A route that changes something passes it to the transaction of the change. */
  readonly recordIn: RecordIn;
}

export interface Answer {
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
   * `session`: needs one. `session-or-key`: or an API key. `token`: the route itself judges the presented token.
   * Otherwise anonymous, under the limits of that name.
   */
  readonly access: 'session' | 'session-or-key' | 'token' | 'login' | 'register';
  /** Named in the design's `routeClasses`: what this route takes of the limits beyond one unit. */
  readonly routeClass?: string;
  /** While limits cannot be kept exactly: a bounded local share (default), or a refusal, where credentials are checked or given out. */
  readonly whenDegraded?: 'share' | 'closed';
  readonly action: string;
  readonly resourceType: string;
  /** While PostgreSQL is away: the answer is refused (default, and always for a change), or its event stands in the local log until it is back. */
  readonly whenUnaudited?: 'refuse' | 'local-log';
  readonly params?: JsonSchema;
  readonly query?: JsonSchema;
  readonly body?: JsonSchema;
  /** Schema of each successful answer by status; null for an answer without a body. */
  readonly answers: Readonly<Record<number, JsonSchema | null>>;
  /** Problem statuses a caller should expect beside those every route has. */
  readonly problems?: readonly number[];
  handle(call: Call): Answer | Promise<Answer>;
}
