/**
 * What this process knows of the failures that addresses may still cause with credentials that are not valid, so that a
 * guess is refused before the database is read for it. An address may have as many reads at one time as it has failures
 * left, and the others wait; one that has none left must pay for a read before it. The limiter counts; this remembers its
 * last count, for a window. While the limiter is without its store, each process counts for itself.
 */
import { ServiceError } from '../../ports.ts';

interface Known {
  /** Failures left when it was last counted. */
  remaining: number;
  atMs: number;
}

interface Reading {
  running: number;
  readonly waiting: (() => void)[];
}

const MAX_ADDRESSES = 20_000;
/** Of one address. A read ends within the timeout of its statement. */
const MAX_WAITING = 1_000;

export interface FailureBudget {
  isSpent(address: string): boolean;
  /** A credential from there was not valid; `remaining` null: the limiter could not count it exactly. */
  recordFailure(address: string, remaining: number | null): void;
  /** Resolves when a read may begin; call what it resolves with at the end of the read. */
  enter(address: string): Promise<() => void>;
}

export function createFailureBudget(given: {
  limit: number;
  windowMs: number;
  monotonicMs: () => number;
}): FailureBudget {
  const { limit, windowMs, monotonicMs } = given;
  /** In the order of the last failure. */
  const known = new Map<string, Known>();
  const reading = new Map<string, Reading>();

  const remainingOf = (address: string): number => {
    const found = known.get(address);
    return found && monotonicMs() - found.atMs < windowMs ? found.remaining : limit;
  };

  /** Reads at one time; whoever pays before needs no line. */
  const placesOf = (address: string): number => remainingOf(address) || Number.POSITIVE_INFINITY;

  const leave = (address: string, own: Reading) => {
    own.running -= 1;
    while (own.waiting.length > 0 && own.running < placesOf(address)) {
      own.running += 1;
      own.waiting.shift()!();
    }
    if (own.running === 0) reading.delete(address);
  };

  return {
    isSpent: (address) => remainingOf(address) <= 0,

    recordFailure(address, remaining) {
      const left = remaining ?? Math.max(0, remainingOf(address) - 1);
      known.delete(address);
      known.set(address, { remaining: left, atMs: monotonicMs() });
      if (known.size > MAX_ADDRESSES) known.delete(known.keys().next().value!);
    },

    async enter(address) {
      const own = reading.get(address) ?? { running: 0, waiting: [] };
      reading.set(address, own);
      if (own.running < placesOf(address)) own.running += 1;
      else if (own.waiting.length < MAX_WAITING)
        await new Promise<void>((resolve) => own.waiting.push(resolve));
      else throw lineIsFull();
      return () => leave(address, own);
    },
  };
}

const lineIsFull = () =>
  new ServiceError({
    status: 503,
    code: 'credentials-busy',
    detail: 'Too many credentials of your address are being checked. Try again shortly.',
    headers: { 'retry-after': '1' },
  });
