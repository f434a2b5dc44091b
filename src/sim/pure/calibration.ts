/**
 * How many users with think time Z keep a resource at utilisation U. No search: the utilisation law
 * (U = X * S, Denning and Buzen 1978) gives the CPU per operation S from any stretch of load, saturated or not,
 * and the interactive response time law (N = X * (Z + R)) gives the population.
 *
 * The speed of a shared machine drifts by tens of percent within a minute, so what was seen is forgotten
 * exponentially and the population follows. The laws leave an error, because the response that belongs to the
 * utilisation is not the documented one on every machine; an integral of the measured utilisation removes it.
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

/** Population for a service time, CPU ms per operation, times a factor that was found by trial. */
export function populationFor(target: PopulationTarget, serviceMs: number, factor = 1): Population {
  const perMs = target.utilisation / serviceMs;
  const wanted = Math.round(perMs * (target.thinkMeanMs + target.responseMeanMs) * factor);
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

  /** CPU ms per operation; null before enough was seen. */
  serviceMs(): number | null {
    if (this.#completed < MIN_COMPLETED || this.#busySeconds <= 0) return null;
    return (this.#busySeconds / this.#completed) * 1_000;
  }
}

/** Fewer operations than this say too little about a service time. */
const MIN_COMPLETED = 5;

export interface ControllerOptions {
  readonly target: PopulationTarget;
  /** CPU ms per operation as the probe found it. */
  readonly serviceMs: number;
  readonly memorySeconds: number;
  /** By how much the population grows per second while the utilisation is 1 below the target, as a share of it. */
  readonly gainPerSecond: number;
}

/** How far the integral may move the population from what the laws say. */
const MOST_REMOVED = -0.5;
const MOST_ADDED = 1.5;

/**
 * Holds a utilisation: the laws say where the population should be, the integral of the error corrects them.
 * Only the utilisation is fed back, never a response time.
 */
export class PopulationController {
  readonly #target: PopulationTarget;
  readonly #gainPerSecond: number;
  readonly #memory: LoadMemory;
  #correction = 0;
  #population: Population;

  constructor({ target, serviceMs, memorySeconds, gainPerSecond }: ControllerOptions) {
    this.#target = target;
    this.#gainPerSecond = gainPerSecond;
    this.#memory = new LoadMemory(memorySeconds);
    // The probe counts as one memory of load at the target; otherwise the first seconds decide, in which a queue
    // builds up and CPU is spent on what is not completed yet.
    const busySeconds = memorySeconds * target.utilisation;
    this.#memory.learn({ seconds: 0, busySeconds, completed: (busySeconds * 1_000) / serviceMs });
    this.#population = populationFor(target, serviceMs);
  }

  get population(): Population {
    return this.#population;
  }

  /** Takes in a stretch of load and returns the population from now on. */
  observe(stretch: Stretch): Population {
    this.#memory.learn(stretch);
    const error = this.#target.utilisation - stretch.busySeconds / stretch.seconds;
    const { users, capped } = this.#population;
    // At a bound the error would pile up without effect and hold the population there long after it is over.
    const beyond = capped && (users >= this.#target.maxUsers ? error > 0 : error < 0);
    if (!beyond) {
      const correction = this.#correction + this.#gainPerSecond * error * stretch.seconds;
      this.#correction = Math.min(Math.max(correction, MOST_REMOVED), MOST_ADDED);
    }
    const serviceMs = this.#memory.serviceMs();
    if (serviceMs !== null) {
      this.#population = populationFor(this.#target, serviceMs, 1 + this.#correction);
    }
    return this.#population;
  }
}
