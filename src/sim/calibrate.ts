/**
 * Finds the population that keeps PostgreSQL as busy as documented: probe the service time on this machine,
 * size the population from it, then let windows of real load correct it. See pure/calibration.ts.
 */
import type { ArmRun, Window } from './arm-run.ts';
import {
  type CalibrationWindow,
  nextPopulation,
  type Population,
  populationFor,
} from './pure/calibration.ts';
import type { ArmResult } from './result.ts';
import type { CalibratedUsers } from './scenario.ts';

type Step = ArmResult['calibration'][number];

/** Windows of the warm-up. CPU per operation needs no steady state, so no part of them is thrown away. */
const WINDOWS = 2;

/** A population on its way to the documented load, with everything it has shown so far. */
export class Calibration {
  readonly steps: Step[] = [];
  readonly #users: CalibratedUsers;
  readonly #windows: CalibrationWindow[] = [];
  #population: Population;

  private constructor(users: CalibratedUsers, serviceMs: number) {
    this.#users = users;
    this.#population = populationFor(this.#target, serviceMs, users.expectedMeanMs);
  }

  get population(): Population {
    return this.#population;
  }

  /** The documented service time, where there is no saturated arm to calibrate on. */
  static nominal(users: CalibratedUsers): Calibration {
    const calibration = new Calibration(users, users.nominalServiceMs);
    calibration.#step(null, 0, 'sized from the documented service time: nothing to calibrate on');
    return calibration;
  }

  /** The load is running when this returns, with the calibrated population. */
  static async run(arm: ArmRun, users: CalibratedUsers): Promise<Calibration> {
    const serviceMs = await probeServiceMs(arm, users);
    const calibration = new Calibration(users, serviceMs);
    const probed = `probe: ${serviceMs.toFixed(1)} ms of database CPU a request`;
    calibration.#step(null, Math.round(serviceMs * 1_000), probed);
    const { users: count } = calibration.population;
    const startBusy = Math.min(Math.round(users.expectedMeanMs / serviceMs), count);
    await arm.load.startUsers(count, startBusy);
    const windowMs = users.warmupMs / WINDOWS;
    for (let index = 1; index <= WINDOWS && !calibration.population.capped; index++) {
      const note = `${calibration.population.users} users, aiming at ${users.cpuPercent.target} % database CPU`;
      const phase = { name: `calibrate-${index}`, note, plannedMs: windowMs };
      const seen = await arm.phase(phase, () => arm.pause(windowMs));
      if (seen.utilisation === null) break;
      await calibration.learn(arm, seen, note);
    }
    return calibration;
  }

  /** Takes a window of load into account and resizes the running population. */
  async learn(arm: ArmRun, seen: Window, note: string): Promise<void> {
    const utilisation = seen.utilisation ?? 0;
    this.#windows.push({
      users: this.#population.users,
      seconds: (seen.endUs - seen.startUs) / 1e6,
      completedPerSecond: seen.completedPerSecond,
      utilisation,
      meanResponseMs: seen.meanUs / 1_000,
    });
    this.#step(utilisation * 100, Math.round(seen.meanUs), note);
    this.#population = nextPopulation(this.#target, this.#windows, this.#users.expectedMeanMs);
    await arm.load.setUsers(this.#population.users);
  }

  /** Did this window show the load that was asked for? Also when its CPU cannot be read. */
  isOnTarget({ utilisation }: Window): boolean {
    if (utilisation === null) return true;
    const { low, high } = this.#users.cpuPercent;
    return utilisation * 100 >= low && utilisation * 100 <= high;
  }

  get #target() {
    const { cpuPercent, think, minUsers, maxUsers } = this.#users;
    return { utilisation: cpuPercent.target / 100, thinkMeanMs: think.meanMs, minUsers, maxUsers };
  }

  #step(cpuPercent: number | null, meanUs: number, note: string): void {
    const { users, capped } = this.#population;
    const limit = capped ? ' (at the limit of users: this design does not saturate)' : '';
    this.steps.push({ users, cpuPercent, meanUs, note: note + limit });
  }
}

/** CPU that PostgreSQL spends on one operation, from a light open load. */
async function probeServiceMs(arm: ArmRun, users: CalibratedUsers): Promise<number> {
  const { ratePerSecond, durationMs } = users.probe;
  const note = 'service time of one request on this machine';
  const seen = await arm.phase({ name: 'probe', note, plannedMs: durationMs }, () =>
    arm.load.runOpen(ratePerSecond, durationMs),
  );
  // No CPU reading (a database on another machine): a lone request's response time is its service time.
  return seen.utilisation === null || seen.completedPerSecond === 0
    ? Math.max(0.1, seen.meanUs / 1_000)
    : Math.max(0.01, (seen.utilisation / seen.completedPerSecond) * 1_000);
}
