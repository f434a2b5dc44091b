/** The system clock and the system's randomness, for entry points. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Random } from '../ports.ts';

export const systemClock: Clock = { nowUs: () => Date.now() * 1_000 };
export const systemRandom: Random = {
  uuid: () => randomUUID(),
  bytes: (count) => randomBytes(count),
};
