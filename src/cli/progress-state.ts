/**
 * What the live view shows, folded from the run's events. Pure: the time of an event is an argument, so a
 * recorded run replays to the same frames. Everything is bounded, however long the run is.
 */
import type { ArmName } from '../sim/result.ts';
import type { RunEvent } from '../sim/run-events.ts';

export const SAMPLES_SHOWN = 40;
const PHASES_KEPT = 50;
/** A sample older than this no longer describes the present. */
const FRESH_MS = 3_000;

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
  readonly latest: ProgressEvent | null;
  readonly latestMs: number;
  /** Process names in order of appearance, so that rows never swap places. */
  readonly processes: readonly string[];
  readonly note: string;
  readonly stopping: boolean;
}

export function startState(heading: string, title: string, startMs: number): LiveState {
  return {
    heading,
    title,
    startMs,
    phases: [],
    samples: [],
    latest: null,
    latestMs: startMs,
    processes: [],
    note: '',
    stopping: false,
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

/** The newest sample, unless it is too old to be true. */
export function freshSample(state: LiveState, nowMs: number): ProgressEvent | null {
  return nowMs - state.latestMs <= FRESH_MS ? state.latest : null;
}

function applyPhase(
  state: LiveState,
  event: Extract<RunEvent, { type: 'phase' }>,
  nowMs: number,
): LiveState {
  const done = state.phases.map((row) => (row.endMs === null ? { ...row, endMs: nowMs } : row));
  const row: PhaseRow = {
    arm: event.arm,
    phase: event.phase,
    note: event.note,
    startMs: nowMs,
    endMs: null,
    plannedMs: event.plannedMs,
  };
  const sameArm = done.at(-1)?.arm === event.arm;
  return {
    ...state,
    phases: [...done, row].slice(-PHASES_KEPT),
    note: '',
    ...(sameArm ? {} : { samples: [], latest: null }),
  };
}

function applyProgress(state: LiveState, event: ProgressEvent, nowMs: number): LiveState {
  const fresh = Object.keys(event.cpuPercent).filter((name) => !state.processes.includes(name));
  const sample = { p50Us: event.p50Us, p99Us: event.p99Us };
  return {
    ...state,
    latest: event,
    latestMs: nowMs,
    samples: [...state.samples, sample].slice(-SAMPLES_SHOWN),
    processes: fresh.length === 0 ? state.processes : [...state.processes, ...fresh],
  };
}
