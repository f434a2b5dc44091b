/**
 * API keys and the agents enrolled to them: credentials of programs. Promises: 256 random bits per secret, shown once,
 * only their SHA-256 stored; an agent is recognised by the slot we enrolled it in, not by what it claims; a token does
 * not reveal the owner of its key; a key expires, and ends with its owner's password and membership.
 *
 * A new credential works within 0.1 s in every process. A revoked one is refused at once by the process that revoked it,
 * and by every other process from 1 s after the response. While PostgreSQL does not respond within 1 s, and for the
 * first request after, a process uses keys it has read in the last 30 s and responds with 503 for others.
 */
import type { ExactLimitsDesign } from '../design.ts';
import type { Database, RecordIn, ThrottleRead } from '../ports.ts';

export type Tier = keyof ExactLimitsDesign['tiers'];

/** The key, agent and owner that a valid token authenticates. */
export interface KeyPrincipal {
  readonly keyId: string;
  readonly organisationId: string;
  readonly ownerId: string;
  /** Null: that of the organisation. */
  readonly tier: Tier | null;
  /** The agent's slot; 0 for the bare key. */
  readonly agent: number;
  /** The highest slot in use. At least `agent`. */
  readonly agents: number;
  /** Names the credential in the history: `key:12`, `agent:12/7`. */
  readonly subject: string;
}

export interface ApiKeyView {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  /** Refused from then on, with all its agents. */
  readonly expiresAt: string;
  /** Enrolled now. */
  readonly agents: number;
}

export interface AgentView {
  readonly slot: number;
  readonly name: string;
  readonly createdAt: string;
}

/** `token` is shown once. */
export interface CreatedKey {
  readonly token: string;
  readonly key: ApiKeyView;
}

export interface EnrolledAgent {
  readonly token: string;
  readonly agent: AgentView;
}

/** All but `authenticate` act for an owner, and see no key of another owner. */
export interface ApiKeys {
  /** Null when the token is unknown, revoked or expired, or the owner disabled. */
  authenticate(token: string, throttle?: ThrottleRead): Promise<KeyPrincipal | null>;
  /** `full`: the owner has the maximum number of keys. */
  create(
    ownerId: string,
    name: string,
    recordIn: RecordIn,
    lifetimeDays?: number,
  ): Promise<CreatedKey | 'full'>;
  /** Those not revoked: first the valid ones, then the expired ones; newest first. */
  list(ownerId: string): Promise<readonly ApiKeyView[]>;
  /** With all its agents. Idempotent; false when the owner never had such a key. */
  revoke(ownerId: string, keyId: string, recordIn: RecordIn): Promise<boolean>;
  /** Into the lowest free slot. Null when the owner has no such key, `full` when every slot is taken. */
  enrol(
    ownerId: string,
    keyId: string,
    name: string,
    recordIn: RecordIn,
  ): Promise<EnrolledAgent | 'full' | null>;
  /** By slot; null when the owner has no such key. */
  agents(ownerId: string, keyId: string): Promise<readonly AgentView[] | null>;
  /** Frees the slot. Idempotent; false when the owner's key never had an agent in it. */
  revokeAgent(ownerId: string, keyId: string, slot: number, recordIn: RecordIn): Promise<boolean>;
  /** Every key of the owner, for an administrator. How many. */
  revokeAll(ownerId: string, organisationId: string, recordIn: RecordIn): Promise<number>;
  /** Every key of the owner, in the caller's transaction. */
  revokeAllIn(tx: Database, ownerId: string): Promise<RevokedKeys>;
}

export interface RevokedKeys {
  readonly count: number;
  /** To be called after the commit: from then on this process refuses them too. */
  forget(): void;
}
