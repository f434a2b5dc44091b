/** One credential of the client (credentials.ts). */
import type { Actor } from '../http/placeholders.ts';

export type CredentialState = 'live' | 'ended' | 'unsure';

export interface Credential extends Actor {
  /** Unique; in order of the accounts, then of issue. */
  readonly serial: number;
  state: CredentialState;
  readonly group: string | undefined;
  /** Its index in the list of its state, and in that of its group. */
  index: number;
  groupIndex: number;
  /** Revocations in flight. */
  pendingRevocations: number;
  /** A revocation had an unknown outcome, or its own end is near. */
  mayBeRevoked: boolean;
  /** Its own end is near. */
  isEnding: boolean;
}
