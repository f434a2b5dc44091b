/**
 * The cost of a decision for Redis with many active users: commands (also those inside a script), CPU and memory. Rounds
 * alternate the order of the limiters and medians are reported, because the machine's speed varies.
 */
import type { Redis } from 'ioredis';
import type { ComparedLimiter } from './compared-limiters.ts';

export interface CostOptions {
  readonly limiters: readonly ComparedLimiter[];
  /** A connection for INFO and MEMORY USAGE. */
  readonly observer: Redis;
  readonly users: number;
  readonly limit: number;
  readonly rounds: number;
  /** Decisions of each limiter in each round. */
  readonly decisions: number;
  /** 0 to 1. */
  readonly random: () => number;
}

export interface Cost {
  readonly commandsPerDecision: number;
  readonly cpuUsPerDecision: number;
  /** Wall time of one decision, with nothing else in flight. */
  readonly roundTripUs: number;
  /** Wall time with `IN_FLIGHT` in flight, the client's own work included. */
  readonly wallUsPerDecision: number;
  readonly bytesPerUser: number;
}

const IN_FLIGHT = 64;

/** The windows must be longer than the measurement, so that every user stays active. */
export async function measureCosts(options: CostOptions): Promise<Map<string, Cost>> {
  const { limiters, observer, users, limit, rounds, decisions, random } = options;
  const bytes = new Map<string, number>();
  const half = Math.floor(limit / 2);
  for (const limiter of limiters) {
    await runConcurrently(users, (index) => limiter.take(`u${index}`, limit));
    bytes.set(limiter.id, await bytesOf(observer, limiter.keyPattern));
    // The rounds work on windows that are half full, so that decisions are admissions.
    await runConcurrently(users, (index) => limiter.take(`v${index}`, half));
  }
  const seen = new Map(limiters.map(({ id }) => [id, [] as Round[]]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? limiters : limiters.toReversed();
    for (const limiter of order) {
      const subjects = Array.from({ length: decisions }, () => Math.floor(random() * users));
      seen.get(limiter.id)!.push(await measureRound(observer, limiter, subjects));
    }
  }
  const trips = await measureRoundTrips(options);
  return new Map(
    limiters.map(({ id }) => {
      const medianOf = (key: keyof Round) => median(seen.get(id)!.map((round) => round[key]));
      const cost = {
        commandsPerDecision: medianOf('commands'),
        cpuUsPerDecision: medianOf('cpuUs'),
        roundTripUs: trips.get(id)!,
        wallUsPerDecision: medianOf('wallUs'),
        bytesPerUser: bytes.get(id)! / users,
      };
      return [id, cost];
    }),
  );
}

interface Round {
  readonly commands: number;
  readonly cpuUs: number;
  readonly wallUs: number;
}

async function measureRound(
  observer: Redis,
  limiter: ComparedLimiter,
  subjects: readonly number[],
): Promise<Round> {
  const before = await readCounters(observer);
  const startMs = performance.now();
  await runConcurrently(subjects.length, (index) => limiter.take(`v${subjects[index]!}`, 1));
  const wallUs = (performance.now() - startMs) * 1_000;
  const after = await readCounters(observer);
  return {
    commands: (after.calls - before.calls) / subjects.length,
    cpuUs: (after.cpuUs - before.cpuUs) / subjects.length,
    wallUs: wallUs / subjects.length,
  };
}

/**
 * One decision after the other, the limiters in rotating order, so that other load on the machine affects all of them.
 */
async function measureRoundTrips({
  limiters,
  users,
  decisions,
  random,
}: CostOptions): Promise<Map<string, number>> {
  const trips = new Map(limiters.map(({ id }) => [id, [] as number[]]));
  for (let index = 0; index < decisions; index += 1) {
    const user = `v${Math.floor(random() * users)}`;
    for (let turn = 0; turn < limiters.length; turn += 1) {
      const { id, take } = limiters[(index + turn) % limiters.length]!;
      const sentMs = performance.now();
      await take(user, 1);
      trips.get(id)!.push((performance.now() - sentMs) * 1_000);
    }
  }
  return new Map([...trips].map(([id, times]) => [id, median(times)]));
}

/** Runs `work` for 0 to `count` - 1, `IN_FLIGHT` at one time. */
async function runConcurrently(
  count: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

async function readCounters(observer: Redis): Promise<{ calls: number; cpuUs: number }> {
  const stats = await observer.info('commandstats');
  // INFO is the observer's own command.
  const commands = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].filter(
    ([, name]) => name !== 'info',
  );
  const cpu = await observer.info('cpu');
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(cpu)?.[1]);
  return {
    calls: commands.reduce((sum, [, , calls]) => sum + Number(calls), 0),
    cpuUs: (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1_000_000,
  };
}

/** Memory of all matching keys, with their table entries. Redis' total would grow in steps, with its hash table. */
async function bytesOf(observer: Redis, keyPattern: string): Promise<number> {
  let sum = 0;
  for await (const found of observer.scanStream({ match: keyPattern, count: 1_000 })) {
    const keys: string[] = found;
    const sizes = await Promise.all(
      keys.map((key) => observer.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')),
    );
    for (const size of sizes) sum += Number(size ?? 0);
  }
  return sum;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
