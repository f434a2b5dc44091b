/**
 * Finds the population that keeps PostgreSQL as busy as documented: probe the service time on this machine,
 * size the population from it, then let two windows of real load correct it. See pure/calibration.ts.
 */
import type { ArmRun } from './arm-run.ts';
import { nextPopulation, type Population, populationFor } from './pure/calibration.ts';
import type { ArmResult } from './result.ts';
import type { CalibratedUsers } from './scenario.ts';

type CalibrationStep = ArmResult['calibration'][number];

export interface Calibrated {
  readonly users: number;
  readonly steps: readonly CalibrationStep[];
}

/** Windows of the warm-up. CPU per operation needs no steady state, so no part of them is thrown away. */
const WINDOWS = 2;

export function targetOf(users: CalibratedUsers) {
  return {
    utilisation: users.cpuPercent.target / 100,
    thinkMeanMs: users.think.meanMs,
    minUsers: users.minUsers,
    maxUsers: users.maxUsers,
  };
}

/** Population for the documented service time, where there is no saturated arm to calibrate on. */
export function nominalPopulation(users: CalibratedUsers): Calibrated {
  const { users: count } = populationFor(
    targetOf(users),
    users.nominalServiceMs,
    users.expectedMeanMs,
  );
  const note = 'nominal: sized from the documented service time, nothing to calibrate on';
  return { users: count, steps: [{ users: count, cpuPercent: null, meanUs: 0, note }] };
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

/** The load is running when this returns, with the calibrated population. */
export async function calibrate(arm: ArmRun, users: CalibratedUsers): Promise<Calibrated> {
  const target = targetOf(users);
  const serviceMs = await probeServiceMs(arm, users);
  const steps: CalibrationStep[] = [];
  let population: Population = populationFor(target, serviceMs, users.expectedMeanMs);
  steps.push({
    users: population.users,
    cpuPercent: null,
    meanUs: Math.round(serviceMs * 1_000),
    note: `probe: ${serviceMs.toFixed(1)} ms of database CPU a request`,
  });
  const startBusy = Math.round(users.expectedMeanMs / serviceMs);
  await arm.load.startUsers(population.users, Math.min(startBusy, population.users));

  const windowMs = users.warmupMs / WINDOWS;
  for (let index = 1; index <= WINDOWS; index++) {
    const name = `calibrate-${index}`;
    const note = `${population.users} users, aiming at ${users.cpuPercent.target} % database CPU`;
    const seen = await arm.phase({ name, note, plannedMs: windowMs }, () => arm.pause(windowMs));
    const cpuPercent = seen.utilisation === null ? null : seen.utilisation * 100;
    steps.push({
      users: population.users,
      cpuPercent,
      meanUs: Math.round(seen.meanUs),
      note: population.capped ? 'at the limit of users: this design does not saturate' : note,
    });
    if (population.capped || cpuPercent === null) break;
    population = nextPopulation(
      target,
      {
        users: population.users,
        completedPerSecond: seen.completedPerSecond,
        utilisation: cpuPercent / 100,
        meanResponseMs: seen.meanUs / 1_000,
      },
      users.expectedMeanMs,
    );
    await arm.load.setUsers(population.users);
  }
  return { users: population.users, steps };
}
