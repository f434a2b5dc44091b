/**
 * API keys and the agents enrolled to them: who a program is. Promises: 256 random bits per secret, shown once, only
 * their SHA-256 stored; an agent is one because we gave it a place, not because it says so; whose key it is cannot be
 * told from outside.
 *
 * What is made works within 0.1 s in every process. What is revoked is refused at once by the process
 * that revoked it, and by every other for a request that begins 1 s after the answer. While PostgreSQL does not answer
 * within 1 s, and for the first request after, a process goes by what it last read for up to 30 s; of what it has not
 * read it says 503.
 */
import type { ExactLimitsDesign } from '../design.ts';
import type { RecordIn } from '../ports.ts';

export type Tier = keyof ExactLimitsDesign['tiers'];

/** Whom a valid token speaks for. */
export interface KeyCaller {
  readonly keyId: string;
  readonly organisationId: string;
  readonly ownerId: string;
  /** Null: that of the organisation. */
  readonly tier: Tier | null;
  /** The agent's place; 0 for the bare key. */
  readonly agent: number;
  /** Places given out now: the highest one taken. At least `agent`. */
  readonly agents: number;
  /** Names the credential in the history: `key:12`, `agent:12/7`. */
  readonly subject: string;
}

export interface ApiKeyView {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
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

/** All but `authenticate` act for an owner, and see no key of anybody else's. */
export interface ApiKeys {
  /** Null when the token is unknown or revoked, or the owner disabled. */
  authenticate(token: string): Promise<KeyCaller | null>;
  /** `full`: the owner has as many as one may have. */
  create(ownerId: string, name: string, recordIn: RecordIn): Promise<CreatedKey | 'full'>;
  /** Those not revoked, newest first. */
  list(ownerId: string): Promise<readonly ApiKeyView[]>;
  /** With all its agents. Idempotent; false when the owner never had such a key. */
  revoke(ownerId: string, keyId: string, recordIn: RecordIn): Promise<boolean>;
  /** Into the lowest free place. Null when the owner has no such key, `full` when every place is taken. */
  enrol(
    ownerId: string,
    keyId: string,
    name: string,
    recordIn: RecordIn,
  ): Promise<EnrolledAgent | 'full' | null>;
  /** By place; null when the owner has no such key. */
  agents(ownerId: string, keyId: string): Promise<readonly AgentView[] | null>;
  /** Frees the place. Idempotent; false when the owner's key never had an agent there. */
  revokeAgent(ownerId: string, keyId: string, slot: number, recordIn: RecordIn): Promise<boolean>;
}
