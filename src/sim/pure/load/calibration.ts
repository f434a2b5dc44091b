/**
 * How many users with think time Z keep a resource at utilisation U, without a search: the utilisation law
 * (U = X * S, Denning and Buzen 1978) gives the CPU per operation S from any sample of load, saturated or not,
 * and the interactive response time law (N = X * (Z + R)) gives the population.
 *
 * The speed of a shared machine drifts by tens of percent within a minute, so samples are weighted exponentially and
 * the population follows. The laws leave a steady-state error, because the response time at that utilisation differs
 * between machines; an integral term over the utilisation error removes it.
 */

export interface PopulationTarget {
  /** Wanted utilisation of the resource, 0 to 1. */
  readonly utilisation: number;
  readonly thinkMeanMs: number;
  /**
   * The documented mean response, not the measured one: feeding that back would add users while the queue is longest.
   */
  readonly responseMeanMs: number;
  readonly minUsers: number;
  readonly maxUsers: number;
}

/** Work over an interval of load. */
export interface LoadSample {
  readonly seconds: number;
  readonly completed: number;
  /** Seconds of the resource used. */
  readonly busySeconds: number;
}

export interface Population {
  readonly users: number;
  /** The target utilisation needs a population outside minUsers to maxUsers. */
  readonly isCapped: boolean;
}

/** Population for a service time (CPU ms per operation), times the controller's correction factor. */
export function populationFor(target: PopulationTarget, serviceMs: number, factor = 1): Population {
  const ratePerMs = target.utilisation / serviceMs;
  const wanted = Math.round(ratePerMs * (target.thinkMeanMs + target.responseMeanMs) * factor);
  const users = Math.min(Math.max(wanted, target.minUsers), target.maxUsers);
  return { users, isCapped: users !== wanted };
}

/** CPU per operation, exponentially weighted over time. */
export class ServiceTimeEstimator {
  readonly #timeConstantSeconds: number;
  #busySeconds = 0;
  #completed = 0;

  /** After `timeConstantSeconds` a sample weighs 1/e. */
  constructor(timeConstantSeconds: number) {
    this.#timeConstantSeconds = timeConstantSeconds;
  }

  add(sample: LoadSample): void {
    const weight = Math.exp(-sample.seconds / this.#timeConstantSeconds);
    this.#busySeconds = this.#busySeconds * weight + sample.busySeconds;
    this.#completed = this.#completed * weight + sample.completed;
  }

  /** CPU ms per operation; null below MIN_COMPLETED operations. */
  serviceMs(): number | null {
    if (this.#completed < MIN_COMPLETED || this.#busySeconds <= 0) return null;
    return (this.#busySeconds / this.#completed) * 1_000;
  }
}

/** Weighted number of operations that an estimate needs. */
const MIN_COMPLETED = 5;

export interface ControllerOptions {
  readonly target: PopulationTarget;
  /** CPU ms per operation, measured by the probe. */
  readonly serviceMs: number;
  readonly timeConstantSeconds: number;
  /** Integral gain: relative growth of the population per second at a utilisation error of 1. */
  readonly gainPerSecond: number;
}

/** Bounds of the integral term, relative to the population computed from the laws. */
const MIN_CORRECTION = -0.5;
const MAX_CORRECTION = 1.5;

/**
 * Controls the utilisation: feed-forward from the laws, plus an integral term over the error. Only the utilisation is
 * fed back, never a response time.
 */
export class PopulationController {
  readonly #target: PopulationTarget;
  readonly #gainPerSecond: number;
  readonly #estimator: ServiceTimeEstimator;
  #correction = 0;
  #population: Population;

  constructor({ target, serviceMs, timeConstantSeconds, gainPerSecond }: ControllerOptions) {
    this.#target = target;
    this.#gainPerSecond = gainPerSecond;
    this.#estimator = new ServiceTimeEstimator(timeConstantSeconds);
    // The probe weighs as much as one time constant of load at the target: in the first seconds a queue builds up, and
    // CPU is spent on operations that have not completed.
    const busySeconds = timeConstantSeconds * target.utilisation;
    this.#estimator.add({ seconds: 0, busySeconds, completed: (busySeconds * 1_000) / serviceMs });
    this.#population = populationFor(target, serviceMs);
  }

  get population(): Population {
    return this.#population;
  }

  /** Updates the population from a sample of load. */
  observe(sample: LoadSample): Population {
    this.#estimator.add(sample);
    const error = this.#target.utilisation - sample.busySeconds / sample.seconds;
    const { users, isCapped } = this.#population;
    // Anti-windup: at a bound the integral would grow without effect and keep the population there.
    const isWindingUp = isCapped && (users >= this.#target.maxUsers ? error > 0 : error < 0);
    if (!isWindingUp) {
      const correction = this.#correction + this.#gainPerSecond * error * sample.seconds;
      this.#correction = Math.min(Math.max(correction, MIN_CORRECTION), MAX_CORRECTION);
    }
    const serviceMs = this.#estimator.serviceMs();
    if (serviceMs !== null) {
      this.#population = populationFor(this.#target, serviceMs, 1 + this.#correction);
    }
    return this.#population;
  }
}
