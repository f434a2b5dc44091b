/**
 * One running arm: its testbed, load generator and instruments. It records phases, faults and metrics for the history;
 * pure/judge/arm-result.ts judges them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicUs } from '../effects/load/engine/monotonic-clock.ts';
import { startLoadTool } from '../effects/load/engine/start-load-tool.ts';
import { type CpuSampler, startCpuSampler } from '../effects/observe/cpu.ts';
import { readRest } from '../effects/observe/rest.ts';
import { raiseSessionPriority } from '../effects/process/priority.ts';
import { databaseOf, type Testbed } from '../effects/testbed/testbed.ts';
import type { FaultRecord, MetricRecord, PhaseRecord, RestRecord } from '../history.ts';
import type { LoadTool } from '../pure/load/load-tool.ts';
import { type CpuSample, cpuPercentBetween } from '../pure/measure/resources.ts';
import type { ArmName } from '../result.ts';
import { LoadControl } from './load-control.ts';
import type { RunEvent } from './run-events.ts';

const CPU_INTERVAL_MS = 500;
const MAX_IN_FLIGHT = 10_000;
/** More than rate times latency SLO of any passing step; waiting for a connection would count as send lag. */
const MAX_CONNECTIONS = 4_000;

export interface ArmSessionOptions {
  readonly name: ArmName;
  readonly testbed: Testbed;
  /** NDJSON of the operations, written by the sender. */
  readonly operationsFile: string;
  readonly requestIdPrefix: string;
  readonly seed: number;
  /** An operation that takes longer has an unknown outcome. Longer than any documented latency. */
  readonly timeoutMs: number;
  /** Null: our own sender. */
  readonly tool: LoadTool | null;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** Measurements over one phase. */
export interface MeasuredWindow {
  readonly startUs: number;
  readonly endUs: number;
  readonly completedPerSecond: number;
  readonly meanUs: number;
  /** PostgreSQL's CPU as a share of the cores it was given; null when it cannot be read. */
  readonly utilisation: number | null;
  readonly from: CpuSample;
  readonly to: CpuSample;
}

export interface PhaseOptions {
  readonly name: string;
  readonly note: string;
  readonly plannedMs: number | null;
  readonly judged?: boolean;
}

export class ArmSession {
  readonly testbed: Testbed;
  readonly cpu: CpuSampler;
  readonly load: LoadControl;
  readonly phases: PhaseRecord[] = [];
  readonly faults: FaultRecord[] = [];
  readonly metrics: MetricRecord[] = [];
  readonly rest: RestRecord[] = [];
  /** Origin of the history's clock, as a reading of the machine's monotonic clock. */
  readonly originUs: number;
  /** Microseconds on the history's clock. */
  readonly nowUs: () => number;
  readonly notes: Record<string, string> = {};
  readonly #options: ArmSessionOptions;
  readonly #close: () => Promise<void>;

  private constructor(
    options: ArmSessionOptions,
    parts: {
      cpu: CpuSampler;
      load: LoadControl;
      originUs: number;
      nowUs: () => number;
      close: () => Promise<void>;
    },
  ) {
    this.#options = options;
    this.testbed = options.testbed;
    this.cpu = parts.cpu;
    this.load = parts.load;
    this.originUs = parts.originUs;
    this.nowUs = parts.nowUs;
    this.#close = parts.close;
  }

  static async start(options: ArmSessionOptions): Promise<ArmSession> {
    const { testbed, signal, onEvent, name: arm, seed, tool } = options;
    const originUs = monotonicUs();
    const sender = await startLoadTool(options.tool, {
      targets: testbed.targets,
      accountsFile: testbed.accountsFile,
      historyFile: options.operationsFile,
      requestIdPrefix: options.requestIdPrefix,
      originUs,
      timeoutMs: options.timeoutMs,
      maxInFlight: MAX_IN_FLIGHT,
      maxConnections: MAX_CONNECTIONS,
      lease: testbed.lease,
      logFile: testbed.logFile(options.tool ?? 'sender'),
    });
    const nowUs = () => monotonicUs() - originUs;
    const cpu = startCpuSampler({
      groups: { ...testbed.pids, sender: () => (sender.pid === 0 ? [] : [sender.pid]) },
      nowUs,
      intervalMs: CPU_INTERVAL_MS,
      // PostgreSQL's backends start their own sessions and do not inherit the CPU share.
      onProcess: (pid) => pid !== sender.pid && raiseSessionPriority(pid),
    });
    const load = new LoadControl({
      arm,
      sender,
      cpu,
      seed,
      tool,
      signal,
      onEvent,
    });
    return new ArmSession(options, { cpu, load, originUs, nowUs, close: () => sender.close() });
  }

  /** Runs the work as a named phase of the history and measures it. */
  async runPhase(options: PhaseOptions, work: () => Promise<void>): Promise<MeasuredWindow> {
    const { name, note, plannedMs, judged = false } = options;
    const { signal, onEvent, name: arm } = this.#options;
    signal.throwIfAborted();
    this.notes[name] = note;
    onEvent({ type: 'phase', arm, phase: name, note, plannedMs });
    await this.load.enterPhase(name);
    const before = await this.load.totals();
    const from = this.cpu.sample();
    const end = () => {
      const sample = this.cpu.sample();
      this.phases.push({ kind: 'phase', name, startUs: from.atUs, endUs: sample.atUs, judged });
      return sample;
    };
    // Where the generator ends by a limit, the phase as far as it came is reported.
    await work().catch((error: unknown) => {
      end();
      throw error;
    });
    const to = end();
    const after = await this.load.totals();
    const completedCount = after.completed - before.completed;
    return {
      startUs: from.atUs,
      endUs: to.atUs,
      from,
      to,
      completedPerSecond: completedCount / ((to.atUs - from.atUs) / 1e6),
      meanUs:
        completedCount === 0 ? 0 : (after.responseSumUs - before.responseSumUs) / completedCount,
      utilisation: this.utilisationBetween(from, to),
    };
  }

  /** Records what every process holds; nothing may be sent meanwhile. */
  async readRest(when: RestRecord['when']): Promise<void> {
    this.rest.push(...(await readRest(this.testbed, when, this.nowUs)));
  }

  /** PostgreSQL's CPU as a share of the cores it was given; null when it cannot be read. */
  utilisationBetween(from: CpuSample, to: CpuSample): number | null {
    const database = databaseOf(this.testbed);
    if (database === null) return null;
    const percent = cpuPercentBetween(from, to, database.name);
    return percent === null ? null : percent / 100 / database.coreCount;
  }

  /** All that was measured so far, of an arm whose generator is gone. */
  windowSoFar(): MeasuredWindow {
    const to = this.cpu.sample();
    const from = this.cpu.samples[0] ?? to;
    const utilisation = this.utilisationBetween(from, to);
    const span = { startUs: from.atUs, endUs: to.atUs, from, to };
    return { ...span, completedPerSecond: 0, meanUs: 0, utilisation };
  }

  /** Appends to a phase's note; empty text is ignored. */
  note(name: string, text: string): void {
    if (text !== '') this.notes[name] = `${this.notes[name]}; ${text}`;
  }

  /** Keeps a phase in the history but excludes it from judgement: its load was not the intended one. */
  discard(name: string): void {
    const index = this.phases.findIndex((phase) => phase.name === name);
    const phase = this.phases[index];
    if (phase !== undefined) this.phases[index] = { ...phase, judged: false };
  }

  async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#options.signal });
  }

  async close(): Promise<void> {
    this.cpu.stop();
    await this.load.stopUsers(0);
    await this.#close();
  }
}
