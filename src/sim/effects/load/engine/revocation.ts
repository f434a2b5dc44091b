/** An operation that revokes credentials, from before its first attempt is sent until its last one was recorded. */
import type { Credential } from './credential.ts';

export type RevocationScope = 'own' | 'others' | 'all';

export class Revocation {
  readonly userId: string;
  readonly scope: RevocationScope;
  /** Those it certainly revokes when it is acknowledged. */
  readonly certain: readonly Credential[];
  /** Issued meanwhile. */
  readonly uncertain: Credential[] = [];

  constructor(userId: string, scope: RevocationScope, certain: readonly Credential[]) {
    this.userId = userId;
    this.scope = scope;
    this.certain = certain;
    for (const credential of certain) credential.pendingRevocations += 1;
  }

  addUncertain(credential: Credential): void {
    this.uncertain.push(credential);
    credential.pendingRevocations += 1;
  }

  finish(): void {
    for (const credential of [...this.certain, ...this.uncertain])
      credential.pendingRevocations -= 1;
  }
}
