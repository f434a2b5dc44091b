/**
 * Bounded concurrency: at most `maxConcurrent` run, at most `maxWaiting` queue, none longer than `maxWaitMs`. Keeps a
 * burst of logins from taking every core. The line is fair: the address comes first for which the least was done in vain
 * of late, addresses with as little take turns, and at an address its accounts, so that whoever guesses waits behind all
 * who do not. When the line is full, the address that has the most in it loses its last one to an address with fewer.
 */
import { createWaste } from './waste.ts';

export interface Turn {
  readonly address: string;
  readonly account: string;
}

export interface Admission {
  /** Undefined when the queue was full or the wait too long. A result that is true was not in vain. */
  run<T>(work: () => Promise<T>, turn?: Turn): Promise<T | undefined>;
}

type Settle = (admitted: boolean) => void;

const UNNAMED: Turn = { address: '', account: '' };

export function createAdmission(limits: {
  maxConcurrent: number;
  maxWaiting: number;
  maxWaitMs: number;
  monotonicMs?: () => number;
}): Admission {
  let runningCount = 0;
  const waste = createWaste(limits.monotonicMs ?? (() => performance.now()));
  const line = createFairLine(waste.of);

  const acquire = (turn: Turn): Promise<boolean> | boolean => {
    if (runningCount < limits.maxConcurrent) {
      runningCount += 1;
      return true;
    }
    if (limits.maxWaiting === 0) return false;
    if (line.size() >= limits.maxWaiting) {
      const evicted = line.evictFor(turn);
      if (!evicted) return false;
      evicted(false);
    }
    return new Promise((resolve) => {
      const settle: Settle = (admitted) => {
        clearTimeout(timer);
        resolve(admitted);
      };
      const timer = setTimeout(() => {
        line.remove(turn, settle);
        settle(false);
      }, limits.maxWaitMs);
      line.add(turn, settle);
    });
  };

  // The slot passes directly to the next in the line, so that a new caller cannot overtake it.
  const release = () => {
    const next = line.next();
    if (next) next(true);
    else runningCount -= 1;
  };

  return {
    async run(work, turn = UNNAMED) {
      if (!(await acquire(turn))) return undefined;
      // From the start, so that those that run at once count each other.
      waste.add(turn.address, 1);
      try {
        const result = await work();
        if (result === true) waste.add(turn.address, -1);
        return result;
      } finally {
        release();
      }
    },
  };
}

/** Those who wait, by address and then by account, each in the order of the turns. */
function createFairLine(wasteOf: (address: string) => number) {
  const addresses = new Map<string, Map<string, Settle[]>>();
  let count = 0;

  const waitingAt = (address: string): number => {
    let sum = 0;
    for (const waiting of addresses.get(address)?.values() ?? []) sum += waiting.length;
    return sum;
  };

  const remove = ({ address, account }: Turn, settle: Settle): void => {
    const accounts = addresses.get(address);
    const waiting = accounts?.get(account);
    const index = waiting?.indexOf(settle) ?? -1;
    if (index < 0) return;
    waiting!.splice(index, 1);
    count -= 1;
    if (waiting!.length === 0) accounts!.delete(account);
    if (accounts!.size === 0) addresses.delete(address);
  };

  return {
    size: () => count,

    add({ address, account }: Turn, settle: Settle): void {
      const accounts = addresses.get(address) ?? new Map<string, Settle[]>();
      addresses.set(address, accounts);
      const waiting = accounts.get(account) ?? [];
      accounts.set(account, waiting);
      waiting.push(settle);
      count += 1;
    },

    remove,

    next(): Settle | undefined {
      const address = firstOf(addresses.keys(), wasteOf);
      if (address === undefined) return undefined;
      const accounts = addresses.get(address);
      const [account, waiting] = accounts!.entries().next().value!;
      const [settle] = waiting;
      remove({ address, account }, settle!);
      // Both have had their turn.
      if (accounts!.delete(account) && waiting.length > 0) accounts!.set(account, waiting);
      if (addresses.delete(address)) addresses.set(address, accounts!);
      return settle;
    },

    /** The last at the fullest address, if that has more than the newcomer's would. */
    evictFor(newcomer: Turn): Settle | undefined {
      let fullest = newcomer.address;
      let most = waitingAt(newcomer.address) + 1;
      for (const address of addresses.keys()) {
        const waiting = waitingAt(address);
        if (waiting > most) [fullest, most] = [address, waiting];
      }
      if (fullest === newcomer.address) return undefined;
      const [account, waiting] = [...addresses.get(fullest)!].reduce((longest, other) =>
        other[1].length > longest[1].length ? other : longest,
      );
      const last = waiting.at(-1)!;
      remove({ address: fullest, account }, last);
      return last;
    },
  };
}

/** The first of those with the least. */
function firstOf(
  addresses: Iterable<string>,
  wasteOf: (address: string) => number,
): string | undefined {
  let found: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const address of addresses) {
    const waste = wasteOf(address);
    if (waste < least) [found, least] = [address, waste];
  }
  return found;
}
