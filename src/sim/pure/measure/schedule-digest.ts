/**
 * Digest of a schedule: which attempt, of which operation, was due when. The generator adds each attempt as it starts
 * it; the history must add up to the same. Independent of the order, because records are written as attempts end. It
 * detects a lost, doubled, renamed or moved record, not a forger who can also change the digest.
 */
import type { OperationRecord } from '../../history.ts';

export class ScheduleDigest {
  #low = 0;
  #high = 0;

  /** `scheduledUs` is a safe integer, not negative. */
  add({ id, name, scheduledUs }: Pick<OperationRecord, 'id' | 'name' | 'scheduledUs'>): void {
    let low = 0x9e3779b9 ^ id;
    let high = 0x85ebca6b ^ Math.floor(id / 2 ** 32);
    for (let index = 0; index < name.length; index += 1) {
      low = Math.imul(low ^ name.charCodeAt(index), 0x01000193);
    }
    low = mix(low ^ scheduledUs);
    high = mix(high ^ low ^ Math.floor(scheduledUs / 2 ** 32));
    // A sum, not an exclusive or: a doubled record must not cancel itself.
    this.#low = (this.#low + mix(low ^ high)) >>> 0;
    this.#high = (this.#high + high) >>> 0;
  }

  /** 16 hexadecimal digits. */
  get text(): string {
    return [this.#high, this.#low].map((half) => half.toString(16).padStart(8, '0')).join('');
  }
}

export function scheduleDigest(attempts: Iterable<OperationRecord>): string {
  const digest = new ScheduleDigest();
  for (const attempt of attempts) digest.add(attempt);
  return digest.text;
}

/** MurmurHash3's finaliser. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
