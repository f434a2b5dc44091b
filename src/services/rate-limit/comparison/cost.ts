/**
 * What a decision costs Redis, with many active users: commands (also those inside a script), CPU, and memory. Rounds
 * alternate between the limiters and the median counts, since the machine is never quite the same twice.
 */
import type { Redis } from 'ioredis';
import type { Contestant } from './contestants.ts';

export interface CostOptions {
  readonly contestants: readonly Contestant[];
  /** A connection that asks Redis about itself. */
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
  /** What a caller waits for one, with nothing else on its way. */
  readonly roundTripUs: number;
  /** From the caller's side, with `IN_FLIGHT` on their way: its own work included. */
  readonly wallUsPerDecision: number;
  readonly bytesPerUser: number;
}

const IN_FLIGHT = 64;

/** The windows must be longer than this takes: the users are active in all of it. */
export async function measureCosts(options: CostOptions): Promise<Map<string, Cost>> {
  const { contestants, observer, users, limit, rounds, decisions, random } = options;
  const bytes = new Map<string, number>();
  const half = Math.floor(limit / 2);
  for (const contestant of contestants) {
    await each(users, (index) => contestant.take(`u${index}`, limit));
    bytes.set(contestant.id, await bytesOf(observer, contestant.keyPattern));
    // The rounds work on windows that are half full, so that decisions are admissions.
    await each(users, (index) => contestant.take(`v${index}`, half));
  }
  const seen = new Map(contestants.map(({ id }) => [id, [] as Round[]]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const contestant of order) {
      const subjects = Array.from({ length: decisions }, () => Math.floor(random() * users));
      seen.get(contestant.id)!.push(await measured(observer, contestant, subjects));
    }
  }
  const trips = await roundTrips(options);
  return new Map(
    contestants.map(({ id }) => {
      const of = (key: keyof Round) => median(seen.get(id)!.map((round) => round[key]));
      const cost = {
        commandsPerDecision: of('commands'),
        cpuUsPerDecision: of('cpuUs'),
        roundTripUs: trips.get(id)!,
        wallUsPerDecision: of('wallUs'),
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

async function measured(
  observer: Redis,
  contestant: Contestant,
  subjects: readonly number[],
): Promise<Round> {
  const before = await standing(observer);
  const startMs = performance.now();
  await each(subjects.length, (index) => contestant.take(`v${subjects[index]!}`, 1));
  const wallUs = (performance.now() - startMs) * 1_000;
  const after = await standing(observer);
  return {
    commands: (after.calls - before.calls) / subjects.length,
    cpuUs: (after.cpuUs - before.cpuUs) / subjects.length,
    wallUs: wallUs / subjects.length,
  };
}

/**
 * One after the other, each limiter in turn and from another one on each time: whatever else the machine does, it
 * does to all of them.
 */
async function roundTrips({
  contestants,
  users,
  decisions,
  random,
}: CostOptions): Promise<Map<string, number>> {
  const trips = new Map(contestants.map(({ id }) => [id, [] as number[]]));
  for (let index = 0; index < decisions; index += 1) {
    const user = `v${Math.floor(random() * users)}`;
    for (let turn = 0; turn < contestants.length; turn += 1) {
      const { id, take } = contestants[(index + turn) % contestants.length]!;
      const sentMs = performance.now();
      await take(user, 1);
      trips.get(id)!.push((performance.now() - sentMs) * 1_000);
    }
  }
  return new Map([...trips].map(([id, times]) => [id, median(times)]));
}

/** So many, `IN_FLIGHT` at one time. */
async function each(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
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

async function standing(observer: Redis): Promise<{ calls: number; cpuUs: number }> {
  const stats = await observer.info('commandstats');
  // Asking is not a part of what is asked about.
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

/** Of all keys that match: name, value and their entry. What Redis uses in all moves in steps as its table grows. */
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
