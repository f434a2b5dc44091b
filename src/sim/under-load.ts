/** The part of an arm's run in which there is load: sized, judged under instruments, then raised. */
import type { ArmRun, Window } from './arm-run.ts';
import { HeldPopulation, nominalUsers, probeServiceMs } from './held-population.ts';
import { type ObservedPhase, observePhase } from './observe-phase.ts';
import { capacityOf } from './pure/capacity.ts';
import { timesFromSend } from './pure/load-tool.ts';
import { latencySamplesNeeded } from './pure/slo.ts';
import type { ArmName, ArmResult, Capacity, Figure } from './result.ts';
import { rise } from './rise.ts';
import type { RunOptions } from './run-events.ts';
import type { Arm, CalibratedUsers, IncidentScenario, Scale, Slo } from './scenario.ts';

type Step = ArmResult['calibration'][number];

export interface LoadInput {
  readonly name: ArmName;
  readonly arm: Arm;
  readonly options: RunOptions<IncidentScenario>;
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
  /** The judged phase; for a drill the one its costs are counted in. */
  readonly phase: { readonly judged: Window; readonly evidence: ObservedPhase['evidence'] | null };
  /** Work per operation; empty where it was not counted. */
  readonly costs: readonly Figure[];
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
      ? await underHeldUsers(run, input, scale)
      : await underSameUsers(run, input, scale);
  await run.load.stopUsers();
  return { ...found, costs: [], capacity: await capacity(run, input, scale), comparable: true };
}

/** `--rate`: open arrivals instead of the documented load. */
async function underGivenRate(
  run: ArmRun,
  { options }: LoadInput,
  scale: Scale,
  ratePerSecond: number,
): Promise<Loaded> {
  const plannedMs = options.durationMs ?? scale.users.measureMs;
  const tool = options.load ?? null;
  const arrivals = timesFromSend(tool) ? 'arrivals' : 'Poisson arrivals';
  const by = tool === null ? '' : ` by ${tool}`;
  const note = `open ${arrivals} at ${ratePerSecond}/s${by}`;
  await run.load.prepareOpen(ratePerSecond, plannedMs);
  const phase = await observePhase(
    run,
    { name: 'measure', note, plannedMs, judged: true },
    options.scenario,
    () => run.load.runOpen(ratePerSecond, plannedMs),
  );
  return { phase, users: null, calibration: [], costs: [], capacity: null, comparable: false };
}

/** A machine may be disturbed while it is measured; a phase that missed its load is measured once more. */
const ATTEMPTS = 2;

async function underHeldUsers(run: ArmRun, input: LoadInput, { users }: Scale) {
  const serviceMs = await probeServiceMs(run, users);
  const held = await HeldPopulation.start(run, users, serviceMs);
  try {
    return await measureHeld(run, input.options, { users, held, serviceMs });
  } finally {
    await held.release();
  }
}

interface Held {
  readonly users: CalibratedUsers;
  readonly held: HeldPopulation;
  readonly serviceMs: number;
}

async function measureHeld(
  run: ArmRun,
  options: RunOptions<IncidentScenario>,
  { users, held, serviceMs }: Held,
) {
  const aim = `held at ${users.cpuPercent.target} % database CPU, thinking ${seconds(users.think.meanMs)}`;
  const calibration: Step[] = [
    {
      users: held.users,
      cpuPercent: null,
      meanUs: Math.round(serviceMs * 1_000),
      note: `probe: ${serviceMs.toFixed(1)} ms of database CPU a request`,
    },
  ];
  const learnt = (phase: string, window: Window) => {
    const { mean, text } = held.sizes();
    const limit = held.isCapped ? '; at the limit: this design does not saturate' : '';
    const cpuPercent = window.utilisation === null ? null : window.utilisation * 100;
    const note = `${phase}: ${text}${limit}`;
    calibration.push({ users: mean, cpuPercent, meanUs: Math.round(window.meanUs), note });
  };
  const settle = { name: 'settle', note: `users ${aim}`, plannedMs: users.warmupMs };
  learnt('settle', await run.phase(settle, () => run.pause(users.warmupMs)));
  for (let attempt = 1; ; attempt++) {
    held.mark();
    const name = attempt === 1 ? 'measure' : `measure-${attempt}`;
    const plannedMs = options.durationMs ?? users.measureMs;
    const phase = await observePhase(
      run,
      { name, note: `users ${aim}`, plannedMs, judged: true },
      options.scenario,
      () => untilEnough(run, plannedMs, options.scenario.slos),
    );
    const { mean } = held.sizes();
    learnt(name, phase.judged);
    if (attempt < ATTEMPTS && !held.isCapped && !isOnTarget(phase.judged, users)) {
      run.discard(name);
      continue;
    }
    return { phase, users: mean, calibration };
  }
}

/** Did the phase carry the load that was asked for? Also when its CPU cannot be read. */
function isOnTarget({ utilisation }: Window, { cpuPercent }: CalibratedUsers): boolean {
  if (utilisation === null) return true;
  return utilisation * 100 >= cpuPercent.low && utilisation * 100 <= cpuPercent.high;
}

async function underSameUsers(
  run: ArmRun,
  { options, calibratedUsers }: LoadInput,
  { users }: Scale,
) {
  const count = calibratedUsers ?? nominalUsers(users);
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
    () => untilEnough(run, plannedMs, options.scenario.slos),
  );
  const nominal = 'sized from the documented service time: nothing to calibrate on';
  const calibration: Step[] =
    calibratedUsers === null ? [{ users: count, cpuPercent: null, meanUs: 0, note: nominal }] : [];
  return { phase, users: count, calibration };
}

/** A slow machine answers fewer requests: a judged phase may take this much longer for the samples it needs. */
const PATIENCE = 1.5;
const LOOK_EVERY_MS = 250;

/** Waits for the planned time, and within bounds for as many answers as the latency SLOs need. */
async function untilEnough(run: ArmRun, plannedMs: number, slos: readonly Slo[]): Promise<void> {
  const { completed } = await run.load.totals();
  const enough = completed + latencySamplesNeeded(slos);
  await run.pause(plannedMs);
  for (let waitedMs = plannedMs; waitedMs < plannedMs * PATIENCE; waitedMs += LOOK_EVERY_MS) {
    if ((await run.load.totals()).completed >= enough) return;
    await run.pause(LOOK_EVERY_MS);
  }
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
