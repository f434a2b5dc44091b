/**
 * Seeded random streams. A stream depends on its seed and fork labels only, never on draws from other streams: an added
 * draw changes nothing elsewhere. The generator is sfc32 (128 bits of state, passes PractRand); not for secrets.
 */

export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  next(): number;
  /** An independent stream; the same label always gives the same stream. */
  fork(label: string | number): Random;
}

export function createRandom(seed: number | string): Random {
  const key = hash128(String(seed));
  const next32 = sfc32(key);
  return {
    next: () => ((next32() >>> 5) * 0x4000000 + (next32() >>> 6)) / 0x20000000000000,
    fork: (label) => createRandom(`${key.join('.')}/${label}`),
  };
}

/** Exponential with the given mean. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random.next()) * mean;
}

/** Erlang: the sum of `shape` exponential stages with the given total mean. */
export function erlang(random: Random, mean: number, shape: number): number {
  let product = 1;
  let sum = 0;
  for (let stage = 0; stage < shape; stage += 1) {
    product *= 1 - random.next();
    // One logarithm for many stages, before the product can underflow (each factor is at least 2^-53).
    if (stage % 16 === 15) {
      sum -= Math.log(product);
      product = 1;
    }
  }
  return ((sum - Math.log(product)) * mean) / shape;
}

/** Uniform integer in [0, count). */
export function randomBelow(random: Random, count: number): number {
  return Math.floor(random.next() * count);
}

/** Picks an index with probability proportional to its weight. */
export function weightedPick(weights: readonly number[]): (random: Random) => number {
  if (weights.length === 0 || !weights.every((weight) => Number.isFinite(weight) && weight > 0)) {
    throw new RangeError(`weights must be positive numbers, got [${weights.join(', ')}]`);
  }
  const ends: number[] = [];
  let total = 0;
  for (const weight of weights) {
    total += weight;
    ends.push(total);
  }
  return (random) => {
    const point = random.next() * total;
    const index = ends.findIndex((end) => point < end);
    return index === -1 ? ends.length - 1 : index;
  };
}

/** The integers [0, count) in a seeded order (Fisher-Yates). */
export function shuffled(random: Random, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = randomBelow(random, last + 1);
    const swapped = order[last]!;
    order[last] = order[other]!;
    order[other] = swapped;
  }
  return order;
}

type Key = readonly [number, number, number, number];

/** 128 bits from a string: four multiply-and-xor lanes, each finished like MurmurHash3. */
function hash128(text: string): Key {
  const lanes: [number, number, number, number] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef];
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    lanes[0] = Math.imul(lanes[0] ^ code, 597399067) ^ lanes[1];
    lanes[1] = Math.imul(lanes[1] ^ code, 2869860233) ^ lanes[2];
    lanes[2] = Math.imul(lanes[2] ^ code, 951274213) ^ lanes[3];
    lanes[3] = Math.imul(lanes[3] ^ code, 2716044179) ^ lanes[0];
  }
  const sum = lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
  return [finish(lanes[0] ^ sum), finish(lanes[1]), finish(lanes[2]), finish(lanes[3])];
}

function finish(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function sfc32(key: Key): () => number {
  let a = key[0] | 0;
  let b = key[1] | 0;
  let c = key[2] | 0;
  let counter = key[3] | 0;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  // The first rounds still show the key; the reference implementation discards 12 as well.
  for (let round = 0; round < 12; round += 1) next();
  return next;
}
