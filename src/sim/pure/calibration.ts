/**
 * How many users with think time Z keep a resource at utilisation U. No search: the utilisation law
 * (U = X * S, Denning and Buzen 1978) gives the CPU per operation S from any window, saturated or not, and
 * the interactive response time law (N = X * (Z + R)) gives the population. A window corrects both inputs.
 */

export interface PopulationTarget {
  /** Wanted utilisation of the resource, 0 to 1. */
  readonly utilisation: number;
  readonly thinkMeanMs: number;
  readonly minUsers: number;
  readonly maxUsers: number;
}

export interface CalibrationWindow {
  readonly users: number;
  readonly seconds: number;
  readonly completedPerSecond: number;
  /** Measured utilisation of the resource over the window, 0 to 1. */
  readonly utilisation: number;
  readonly meanResponseMs: number;
}

export interface Population {
  readonly users: number;
  /** The wanted utilisation lies outside minUsers to maxUsers: this system does not saturate that way. */
  readonly capped: boolean;
}

/** Population for a service time (CPU ms per operation) and an expected mean response. */
export function populationFor(
  target: PopulationTarget,
  serviceMs: number,
  expectedResponseMs: number,
): Population {
  const perMs = target.utilisation / serviceMs;
  const wanted = Math.round(perMs * (target.thinkMeanMs + expectedResponseMs));
  const users = Math.min(Math.max(wanted, target.minUsers), target.maxUsers);
  return { users, capped: users !== wanted };
}

/**
 * The next population after some windows of load. CPU per operation comes from all of them together: a short
 * window that happened to meet a few dear requests would mislead. The response time at the target lies between
 * what the last window showed and what is documented, so their mean is used: a window above the target
 * overstates it, one below understates it.
 */
export function nextPopulation(
  target: PopulationTarget,
  windows: readonly CalibrationWindow[],
  expectedResponseMs: number,
): Population {
  let busySeconds = 0;
  let completed = 0;
  for (const window of windows) {
    busySeconds += window.utilisation * window.seconds;
    completed += window.completedPerSecond * window.seconds;
  }
  const last = windows.at(-1);
  if (last === undefined || completed <= 0 || busySeconds <= 0) {
    return { users: last?.users ?? target.minUsers, capped: true };
  }
  const serviceMs = (busySeconds / completed) * 1_000;
  return populationFor(target, serviceMs, (last.meanResponseMs + expectedResponseMs) / 2);
}
