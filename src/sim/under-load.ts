/** The part of an arm's run in which there is load: sized, judged under instruments, then raised. */
import type { ArmRun, Window } from './arm-run.ts';
import { HeldPopulation, nominalUsers, probeServiceMs } from './held-population.ts';
import { type ObservedPhase, observePhase } from './observe-phase.ts';
import { capacityOf } from './pure/capacity.ts';
import { timesFromSend } from './pure/load-tool.ts';
import { awaited, extensionNote, isOffBand, type PhaseGoal } from './pure/phase-end.ts';
import { latencySamplesNeeded } from './pure/slo.ts';
import type { ArmName, ArmResult, Capacity, Figure } from './result.ts';
import { rise } from './rise.ts';
import type { RunOptions } from './run-events.ts';
import type { Arm, CalibratedUsers, IncidentScenario, Scale } from './scenario.ts';

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
  const learnt = (phase: string, window: Window, ending: string) => {
    const { mean, text } = held.sizes();
    const limit = held.isCapped ? '; at the limit: this design does not saturate' : '';
    const cpuPercent = window.utilisation === null ? null : window.utilisation * 100;
    const note = `${phase}: ${text}${limit}${ending === '' ? '' : `; ${ending}`}`;
    run.note(phase, ending);
    calibration.push({ users: mean, cpuPercent, meanUs: Math.round(window.meanUs), note });
  };
  const settle = { name: 'settle', note: `users ${aim}`, plannedMs: users.warmupMs };
  let settled = '';
  const settling = await run.phase(settle, async () => {
    settled = await held.settle();
  });
  learnt('settle', settling, settled);
  for (let attempt = 1; ; attempt++) {
    held.mark();
    const name = attempt === 1 ? 'measure' : `measure-${attempt}`;
    const goal = goalOf(options, users.measureMs, held.isCapped ? null : users.cpuPercent);
    let ending = '';
    const phase = await observePhase(
      run,
      { name, note: `users ${aim}`, plannedMs: goal.plannedMs, judged: true },
      options.scenario,
      async () => {
        ending = await untilDone(run, goal);
      },
    );
    const { mean } = held.sizes();
    learnt(name, phase.judged, ending);
    if (attempt < ATTEMPTS && !held.isCapped && !isOnTarget(phase.judged, users)) {
      run.discard(name);
      continue;
    }
    return { phase, users: mean, calibration };
  }
}

/** Did the phase carry the load that was asked for? Also when its CPU cannot be read. */
function isOnTarget({ utilisation }: Window, { cpuPercent }: CalibratedUsers): boolean {
  return !isOffBand(cpuPercent, utilisation === null ? null : utilisation * 100, 0);
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
  const goal = goalOf(options, users.sameLoadMs, null);
  const phase = await observePhase(
    run,
    { name: 'measure', note, plannedMs: goal.plannedMs, judged: true },
    options.scenario,
    async () => run.note('measure', await untilDone(run, goal)),
  );
  const nominal = 'sized from the documented service time: nothing to calibrate on';
  const calibration: Step[] =
    calibratedUsers === null ? [{ users: count, cpuPercent: null, meanUs: 0, note: nominal }] : [];
  return { phase, users: count, calibration };
}

function goalOf(
  { durationMs, scenario }: RunOptions<IncidentScenario>,
  plannedMs: number,
  cpuBand: PhaseGoal['cpuBand'],
): PhaseGoal {
  const samples = latencySamplesNeeded(scenario.slos);
  return { plannedMs: durationMs ?? plannedMs, samples, cpuBand };
}

const LOOK_EVERY_MS = 250;

/** Waits until the phase has what it needs, or may not wait longer. Says what it went on for. */
async function untilDone(run: ArmRun, goal: PhaseGoal): Promise<string> {
  const from = run.cpu.sample();
  const { planned } = await run.load.totals();
  await run.pause(goal.plannedMs);
  for (;;) {
    const samples = (await run.load.totals()).planned - planned;
    const now = run.cpu.sample();
    const utilisation = run.utilisationBetween(from, now);
    const cpuPercent = utilisation === null ? null : utilisation * 100;
    const progress = { elapsedMs: (now.atUs - from.atUs) / 1_000, samples, cpuPercent };
    if (awaited(goal, progress) === null) return extensionNote(goal, progress);
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
