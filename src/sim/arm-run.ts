/**
 * One arm while it runs: its testbed, its load, its instruments, and the phases they go through. Everything
 * that happens lands in the history; judging it is not done here (pure/arm-result.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicUs } from './effects/load/engine/monotonic-clock.ts';
import { startLoadTool } from './effects/load/engine/start-load-tool.ts';
import { type CpuSampler, startCpuSampler } from './effects/observe/cpu.ts';
import { raiseSession } from './effects/process/priority.ts';
import { databaseOf, type Testbed } from './effects/testbed/testbed.ts';
import type { FaultRecord, MetricRecord, PhaseRecord } from './history.ts';
import { LoadControl } from './load-control.ts';
import type { LoadTool } from './pure/load-tool.ts';
import { type CpuSample, cpuPercentBetween } from './pure/resources.ts';
import type { ArmName } from './result.ts';
import type { RunEvent } from './run-events.ts';

const CPU_INTERVAL_MS = 500;
const MAX_IN_FLIGHT = 10_000;
/** Above rate times latency SLO of any step that can hold: waiting for a connection would look like send lag. */
const MAX_CONNECTIONS = 4_000;

export interface ArmRunOptions {
  readonly name: ArmName;
  readonly testbed: Testbed;
  /** Plain NDJSON of the operations, written by the sender. */
  readonly operationsFile: string;
  readonly requestIdPrefix: string;
  readonly seed: number;
  /** What takes longer is an unknown outcome; longer than any latency the scenario documents. */
  readonly timeoutMs: number;
  /** What sends in place of our own sender. */
  readonly tool: LoadTool | null;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

/** What one stretch of load showed. */
export interface Window {
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

export class ArmRun {
  readonly testbed: Testbed;
  readonly cpu: CpuSampler;
  readonly load: LoadControl;
  readonly phases: PhaseRecord[] = [];
  readonly faults: FaultRecord[] = [];
  readonly metrics: MetricRecord[] = [];
  /** Of the history's clock, on the machine's monotonic one. */
  readonly originUs: number;
  /** Microseconds on the history's clock. */
  readonly nowUs: () => number;
  readonly notes: Record<string, string> = {};
  readonly #options: ArmRunOptions;
  readonly #close: () => Promise<void>;

  private constructor(
    options: ArmRunOptions,
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

  static async start(options: ArmRunOptions): Promise<ArmRun> {
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
      // PostgreSQL's backends are sessions of their own and do not inherit the share of a core.
      onProcess: (pid) => pid !== sender.pid && raiseSession(pid),
    });
    const load = new LoadControl({
      ...{ arm, sender, cpu, seed, tool, signal, onEvent },
    });
    return new ArmRun(options, { cpu, load, originUs, nowUs, close: () => sender.close() });
  }

  /** Names a phase, does the work in it, and measures what happened. */
  async phase(options: PhaseOptions, work: () => Promise<void>): Promise<Window> {
    const { name, note, plannedMs, judged = false } = options;
    const { signal, onEvent, name: arm } = this.#options;
    signal.throwIfAborted();
    this.notes[name] = note;
    onEvent({ type: 'phase', arm, phase: name, note, plannedMs });
    await this.load.enter(name);
    const before = await this.load.totals();
    const from = this.cpu.sample();
    await work();
    const to = this.cpu.sample();
    const after = await this.load.totals();
    this.phases.push({ kind: 'phase', name, startUs: from.atUs, endUs: to.atUs, judged });
    const completed = after.completed - before.completed;
    return {
      startUs: from.atUs,
      endUs: to.atUs,
      from,
      to,
      completedPerSecond: completed / ((to.atUs - from.atUs) / 1e6),
      meanUs: completed === 0 ? 0 : (after.responseSumUs - before.responseSumUs) / completed,
      utilisation: this.utilisationBetween(from, to),
    };
  }

  /** PostgreSQL's CPU as a share of the cores it was given; null when it cannot be read. */
  utilisationBetween(from: CpuSample, to: CpuSample): number | null {
    const database = databaseOf(this.testbed);
    if (database === null) return null;
    const percent = cpuPercentBetween(from, to, database.name);
    return percent === null ? null : percent / 100 / database.coreCount;
  }

  /** Adds to what a phase's note says, once it is known how it went. */
  note(name: string, text: string): void {
    if (text !== '') this.notes[name] = `${this.notes[name]}; ${text}`;
  }

  /** A judged phase that did not carry the load it was meant to: kept in the history, no longer judged. */
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
