/**
 * The credentials of one user, for operations that revoke several of them. One that is issued while such an operation
 * runs may be among the revoked or not: the order of the two is known to the platform only.
 */
import type { Credential } from './credential.ts';
import type { Revocation } from './revocation.ts';

export class UserCredentials {
  /** Not those that have ended. */
  #credentials: Credential[] = [];
  readonly #running = new Set<Revocation>();
  /** When the last acknowledged revocation of several was answered. */
  #lastAcknowledgedUs = Number.NEGATIVE_INFINITY;
  /** One had an unknown outcome, so it may still happen. */
  #mayRevoke = false;

  add(credential: Credential): void {
    this.#credentials.push(credential);
  }

  /** All that have not ended, except one. */
  open(except: Credential | null): Credential[] {
    this.#credentials = this.#credentials.filter(({ state }) => state !== 'ended');
    return this.#credentials.filter((one) => one !== except);
  }

  begin(revocation: Revocation): void {
    this.#running.add(revocation);
  }

  recordAttempt(outcome: 'ok' | 'unknown', doneUs: number): void {
    if (outcome === 'unknown') this.#mayRevoke = true;
    else this.#lastAcknowledgedUs = Math.max(this.#lastAcknowledgedUs, doneUs);
  }

  finish(revocation: Revocation): void {
    this.#running.delete(revocation);
  }

  /** A new credential, asked for at `sentUs` by an operation that may be a revocation itself. */
  addIssued(credential: Credential, sentUs: number, by: Revocation | null): void {
    this.add(credential);
    if (this.#mayRevoke || sentUs <= this.#lastAcknowledgedUs) credential.mayBeRevoked = true;
    for (const running of this.#running) if (running !== by) running.addUncertain(credential);
  }
}
