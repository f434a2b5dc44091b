/** IPC messages between the gateway and its hashing process. Buffers are base64. */
import type { Derivation } from './derivation.ts';

export type HashRequest = Omit<Derivation, 'salt'> & {
  readonly number: number;
  readonly salt: string;
};
export interface HashReply {
  readonly number: number;
  readonly hash?: string;
  readonly error?: string;
}
