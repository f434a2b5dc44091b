/** The part of an arm's run in which there is load: sized, judged under instruments, then raised. */
import type { ArmRun } from './arm-run.ts';
import { Calibration } from './calibrate.ts';
import { type ObservedPhase, observePhase } from './observe-phase.ts';
import { capacityOf } from './pure/capacity.ts';
import type { ArmName, ArmResult, Capacity } from './result.ts';
import { rise } from './rise.ts';
import type { RunOptions } from './run-events.ts';
import type { Arm, Scale } from './scenario.ts';

export interface LoadInput {
  readonly name: ArmName;
  readonly arm: Arm;
  readonly options: RunOptions;
  readonly operationsFile: string;
  /** Population found on an earlier arm of this run; null when there is none. */
  readonly calibratedUsers: number | null;
  /** A rate at which `before` was seen outside its SLO; null when unknown. */
  readonly brokenPerSecond: number | null;
  readonly lagLimitUs: number;
}

export interface Loaded {
  readonly users: number | null;
  readonly calibration: ArmResult['calibration'];
  readonly phase: ObservedPhase;
  readonly capacity: Capacity | null;
  /** The load was the documented one, so documented figures may be compared. */
  readonly comparable: boolean;
}

export async function underLoad(run: ArmRun, input: LoadInput): Promise<Loaded> {
  const { scenario, quick, ratePerSecond } = input.options;
  const scale = scenario.scale(quick);
  if (ratePerSecond !== undefined) return underGivenRate(run, input, scale, ratePerSecond);
  const found =
    input.arm.expected === 'fail' && input.calibratedUsers === null
      ? await underCalibratedUsers(run, input, scale)
      : await underSameUsers(run, input, scale);
  await run.load.stopUsers();
  return { ...found, capacity: await capacity(run, input, scale), comparable: true };
}

/** `--rate`: open arrivals instead of the documented load. */
async function underGivenRate(
  run: ArmRun,
  { options }: LoadInput,
  scale: Scale,
  ratePerSecond: number,
): Promise<Loaded> {
  const plannedMs = options.durationMs ?? scale.users.measureMs;
  const note = `open Poisson arrivals at ${ratePerSecond}/s`;
  const phase = await observePhase(
    run,
    { name: 'measure', note, plannedMs, judged: true },
    options.scenario,
    () => run.load.runOpen(ratePerSecond, plannedMs),
  );
  return { phase, users: null, calibration: [], capacity: null, comparable: false };
}

/** A machine may be disturbed while it is calibrated; a phase that missed its load is measured once more. */
const ATTEMPTS = 2;

async function underCalibratedUsers(run: ArmRun, input: LoadInput, { users }: Scale) {
  const { options } = input;
  const calibration = await Calibration.run(run, users);
  for (let attempt = 1; ; attempt++) {
    const count = calibration.population.users;
    const name = attempt === 1 ? 'measure' : `measure-${attempt}`;
    const note = `${count} users thinking ${seconds(users.think.meanMs)}`;
    const plannedMs = options.durationMs ?? users.measureMs;
    const phase = await observePhase(
      run,
      { name, note, plannedMs, judged: true },
      options.scenario,
      () => run.pause(plannedMs),
    );
    const isLast = attempt === ATTEMPTS || calibration.population.capped;
    if (isLast || calibration.isOnTarget(phase.judged)) {
      return { phase, users: count, calibration: calibration.steps };
    }
    run.discard(name);
    await calibration.learn(run, phase.judged, `${note}: off target, measured again`);
  }
}

async function underSameUsers(
  run: ArmRun,
  { options, calibratedUsers }: LoadInput,
  { users }: Scale,
) {
  const nominal = calibratedUsers === null ? Calibration.nominal(users) : null;
  const count = calibratedUsers ?? nominal!.population.users;
  const note = `${count} users thinking ${seconds(users.think.meanMs)}`;
  await run.load.startUsers(count, 0);
  // Connections, caches and statements warm up before anything is judged.
  const warmupMs = users.warmupMs / 4;
  await run.phase({ name: 'warm-up', note, plannedMs: warmupMs }, () => run.pause(warmupMs));
  const plannedMs = options.durationMs ?? users.sameLoadMs;
  const phase = await observePhase(
    run,
    { name: 'measure', note, plannedMs, judged: true },
    options.scenario,
    () => run.pause(plannedMs),
  );
  return { phase, users: count, calibration: nominal?.steps ?? [] };
}

async function capacity(run: ArmRun, input: LoadInput, scale: Scale): Promise<Capacity | null> {
  if (!scale.rising.arms.includes(input.name)) return null;
  const { operationsFile, lagLimitUs, brokenPerSecond } = input;
  const { slos } = input.options.scenario;
  const steps = await rise(run, { rising: scale.rising, slos, operationsFile, lagLimitUs });
  return capacityOf(steps, brokenPerSecond);
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
