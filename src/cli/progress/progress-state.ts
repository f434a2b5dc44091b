/**
 * The state of the live view, reduced from the run's events. Pure: time is an argument, so a recorded run gives the
 * same frames. Every list is bounded.
 */
import type { ArmName } from '../../sim/result.ts';
import type { RunEvent } from '../../sim/run/run-events.ts';

export const MAX_SAMPLES = 40;
const MAX_PHASES = 50;
/** An older sample is not shown. */
const SAMPLE_MAX_AGE_MS = 3_000;

type ProgressEvent = Extract<RunEvent, { type: 'progress' }>;

export interface PhaseRow {
  readonly arm: ArmName | null;
  readonly phase: string;
  readonly note: string;
  readonly startMs: number;
  readonly endMs: number | null;
  readonly plannedMs: number | null;
}

export interface LiveState {
  /** The command and its seed, the first line. */
  readonly heading: string;
  readonly title: string;
  readonly startMs: number;
  readonly phases: readonly PhaseRow[];
  /** Samples of the current arm, oldest first. */
  readonly samples: readonly { readonly p50Us: number | null; readonly p99Us: number | null }[];
  readonly latestSample: ProgressEvent | null;
  readonly latestSampleMs: number;
  /** In order of appearance, so that rows never swap places. */
  readonly processNames: readonly string[];
  readonly note: string;
  readonly isStopping: boolean;
}

export function createLiveState(heading: string, title: string, startMs: number): LiveState {
  return {
    heading,
    title,
    startMs,
    phases: [],
    samples: [],
    latestSample: null,
    latestSampleMs: startMs,
    processNames: [],
    note: '',
    isStopping: false,
  };
}

export function applyEvent(state: LiveState, event: RunEvent, nowMs: number): LiveState {
  switch (event.type) {
    case 'phase':
      return applyPhase(state, event, nowMs);
    case 'progress':
      return applyProgress(state, event, nowMs);
    case 'note':
      return { ...state, note: event.text };
    case 'run':
    case 'kept':
      return state;
    default:
      return event satisfies never;
  }
}

/** The newest sample, or null if it is too old. */
export function currentSample(state: LiveState, nowMs: number): ProgressEvent | null {
  return nowMs - state.latestSampleMs <= SAMPLE_MAX_AGE_MS ? state.latestSample : null;
}

function applyPhase(
  state: LiveState,
  event: Extract<RunEvent, { type: 'phase' }>,
  nowMs: number,
): LiveState {
  const endedPhases = state.phases.map((row) =>
    row.endMs === null ? { ...row, endMs: nowMs } : row,
  );
  const row: PhaseRow = {
    arm: event.arm,
    phase: event.phase,
    note: event.note,
    startMs: nowMs,
    endMs: null,
    plannedMs: event.plannedMs,
  };
  const isSameArm = endedPhases.at(-1)?.arm === event.arm;
  return {
    ...state,
    phases: [...endedPhases, row].slice(-MAX_PHASES),
    note: '',
    ...(isSameArm ? {} : { samples: [], latestSample: null }),
  };
}

function applyProgress(state: LiveState, event: ProgressEvent, nowMs: number): LiveState {
  const newNames = Object.keys(event.cpuPercent).filter(
    (name) => !state.processNames.includes(name),
  );
  const sample = { p50Us: event.p50Us, p99Us: event.p99Us };
  return {
    ...state,
    latestSample: event,
    latestSampleMs: nowMs,
    samples: [...state.samples, sample].slice(-MAX_SAMPLES),
    processNames: newNames.length === 0 ? state.processNames : [...state.processNames, ...newNames],
  };
}
