/**
 * How many users with think time Z keep a resource at utilisation U. No search: the utilisation law
 * (U = X * S, Denning and Buzen 1978) gives the CPU per operation S from any stretch of load, saturated or not,
 * and the interactive response time law (N = X * (Z + R)) gives the population.
 *
 * The speed of a shared machine drifts by tens of percent within a minute, so what was seen is forgotten
 * exponentially and the population follows.
 */

export interface PopulationTarget {
  /** Wanted utilisation of the resource, 0 to 1. */
  readonly utilisation: number;
  readonly thinkMeanMs: number;
  /**
   * The documented mean response. Never the one just measured: that one is longest when the queue is, and would
   * send more users into a full queue.
   */
  readonly responseMeanMs: number;
  readonly minUsers: number;
  readonly maxUsers: number;
}

/** A stretch of load. */
export interface Stretch {
  readonly seconds: number;
  readonly completed: number;
  /** Seconds of the resource used. */
  readonly busySeconds: number;
}

export interface Population {
  readonly users: number;
  /** The wanted utilisation lies outside minUsers to maxUsers: this system does not saturate that way. */
  readonly capped: boolean;
}

/** Population for a service time, CPU ms per operation. */
export function populationFor(target: PopulationTarget, serviceMs: number): Population {
  const perMs = target.utilisation / serviceMs;
  const wanted = Math.round(perMs * (target.thinkMeanMs + target.responseMeanMs));
  const users = Math.min(Math.max(wanted, target.minUsers), target.maxUsers);
  return { users, capped: users !== wanted };
}

/** What has been seen, weighted by how long ago. */
export class LoadMemory {
  readonly #memorySeconds: number;
  #busySeconds = 0;
  #completed = 0;

  /** After `memorySeconds` a stretch weighs 1/e. */
  constructor(memorySeconds: number) {
    this.#memorySeconds = memorySeconds;
  }

  learn(stretch: Stretch): void {
    const kept = Math.exp(-stretch.seconds / this.#memorySeconds);
    this.#busySeconds = this.#busySeconds * kept + stretch.busySeconds;
    this.#completed = this.#completed * kept + stretch.completed;
  }

  /** The population for the target; null before enough was seen. */
  population(target: PopulationTarget): Population | null {
    if (this.#completed < MIN_COMPLETED || this.#busySeconds <= 0) return null;
    return populationFor(target, (this.#busySeconds / this.#completed) * 1_000);
  }
}

/** Fewer operations than this say too little about a service time. */
const MIN_COMPLETED = 5;
