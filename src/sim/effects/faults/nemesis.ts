/**
 * Runs the planned faults of one phase: waits for each trigger, applies the fault, undoes it, and probes until the undo
 * is proven. A fault has landed when its effect is observed, and healed when its undo is proven; one that did not land
 * or heal is a problem, and such a run proves nothing. What it did while it held is measured before the undo, and
 * judged from the history. Every wait has a limit. end() is called on every path and
 * resolves only when no fault is applied any more.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultTrigger, PlannedFault } from '../../fault-plan.ts';
import type { FaultEvidence, FaultRecord } from '../../history.ts';
import { monotonicUs } from '../load/engine/monotonic-clock.ts';
import { withTimeout } from '../process/with-timeout.ts';
import type { Fault, FaultTargets } from './fault.ts';
import { createFault } from './fault-kinds.ts';
import { Noticing, type ReadServiceMetrics } from './noticing.ts';
import { awaitTrigger, describeTrigger } from './trigger.ts';

export interface NemesisLimits {
  /** From `afterMs` until the event of the trigger. */
  readonly triggerMs: number;
  /** For `apply`, until the effect is observed. */
  readonly landMs: number;
  /** For `undo`: a database may have to recover. */
  readonly undoMs: number;
  /** For the probes after the undo. */
  readonly healMs: number;
  /** For what is measured before the undo. */
  readonly measureMs: number;
}

const LIMITS: NemesisLimits = {
  triggerMs: 60_000,
  landMs: 10_000,
  undoMs: 30_000,
  healMs: 15_000,
  measureMs: 3_000,
};
const PROBE_INTERVAL_MS = 20;
/** How long before a fault may be due the service's metrics are read. */
const NOTICING_LEAD_MS = 500;
/** The longest delay of a timer: the fault stays until the phase ends. */
const UNTIL_PHASE_END_MS = 2 ** 31 - 1;

export interface NemesisOptions {
  readonly faults: readonly PlannedFault[];
  readonly targets: FaultTargets;
  /** Microseconds on the history's clock. */
  readonly nowUs: () => number;
  readonly waitForAcknowledged: (operation: string) => Promise<unknown>;
  /** Metrics of the service's processes; needed by faults that the service must notice. */
  readonly readMetrics?: ReadServiceMetrics;
  /** Of the service: some designs need not notice a fault. Default: all do. */
  readonly design?: string;
  readonly signal: AbortSignal;
  readonly limits?: Partial<NemesisLimits>;
}

export interface NemesisReport {
  /** In order of time. */
  readonly records: readonly FaultRecord[];
  /** `redis-partition never landed: ...`, `redis-partition never healed: ...`. */
  readonly problems: readonly string[];
}

export interface Nemesis {
  /** Faults whose undo is not proven yet. */
  activeCount(): number;
  /** Undoes, probes and reports every fault. Idempotent, never rejects. */
  end(): Promise<NemesisReport>;
}

interface PreparedFault {
  readonly plan: PlannedFault;
  readonly fault: Fault;
}

/** A fault that is to be applied now. */
interface DueFault {
  readonly trigger: string;
  readonly noticing: Noticing | null;
}

/** What must be proven of a fault that was applied. */
interface AppliedFault {
  readonly hasLanded: boolean;
  readonly noticing: Noticing | null;
}

/** Starts the clock of every trigger. Throws before anything is done when a target does not exist. */
export function startNemesis(options: NemesisOptions): Nemesis {
  return new PhaseNemesis(options);
}

class PhaseNemesis implements Nemesis {
  readonly #options: NemesisOptions;
  readonly #limits: NemesisLimits;
  readonly #records: FaultRecord[] = [];
  readonly #problems: string[] = [];
  readonly #originUs: number;
  readonly #ending = new AbortController();
  /** By the fault's name. */
  readonly #lifecycles = new Map<string, Promise<void>>();
  readonly #onAbort = () => void this.end();
  #active: number;

  constructor(options: NemesisOptions) {
    const { faults, targets, signal, nowUs } = options;
    const prepared = faults.map((plan) => ({ plan, fault: createFault(plan.fault, targets) }));
    if (faults.some(({ at }) => at.commitInFlight) && !targets.edges.canObserveCommits())
      throw new Error('a fault waits for a COMMIT, but no proxied edge leads to PostgreSQL');
    const unread = faults.find(({ noticed }) => noticed !== undefined && !options.readMetrics);
    if (unread !== undefined)
      throw new Error(`the service must notice ${unread.name}, and its metrics are not read`);
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#originUs = monotonicUs() - nowUs();
    this.#active = prepared.length;
    // Every fault listens to it, and a phase may have hundreds.
    setMaxListeners(0, this.#ending.signal);
    for (const fault of prepared) this.#lifecycles.set(fault.plan.name, this.#runLifecycle(fault));
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  activeCount(): number {
    return this.#active;
  }

  async end(): Promise<NemesisReport> {
    this.#ending.abort(new Error('the phase ended first'));
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    await Promise.all(this.#lifecycles.values());
    return { records: this.#records.sort((a, b) => a.atUs - b.atUs), problems: this.#problems };
  }

  async #runLifecycle(fault: PreparedFault): Promise<void> {
    const applied = await this.#apply(fault);
    if (applied !== null) await this.#heal(fault, applied);
    this.#active -= 1;
  }

  /** Null when there is nothing to undo. */
  async #apply({ plan, fault }: PreparedFault): Promise<AppliedFault | null> {
    const { name, forMs } = plan;
    const due = await this.#waitForTrigger(plan);
    if (due === null) return null;
    const { trigger, noticing } = due;
    this.#record(name, 'apply', trigger);
    try {
      this.#record(name, 'landed', await withTimeout(fault.apply(), this.#limits.landMs));
    } catch (error) {
      this.#problems.push(`${name} never landed: ${reasonOf(error)}`);
      return { hasLanded: false, noticing: null };
    }
    const { signal } = this.#ending;
    await sleep(forMs ?? UNTIL_PHASE_END_MS, undefined, { signal }).catch(() => {});
    return { hasLanded: true, noticing };
  }

  /** Resolves, when the fault is due, to a description of what triggered it; null when the trigger did not come. */
  async #waitForTrigger(plan: PlannedFault): Promise<DueFault | null> {
    const { edges } = this.#options.targets;
    const events = {
      waitForAcknowledged: this.#options.waitForAcknowledged,
      waitForCommitInFlight: edges.canObserveCommits()
        ? (limitMs: number, until: AbortSignal) => edges.waitForCommitInFlight(limitMs, until)
        : null,
    };
    const wait = { limitMs: this.#limits.triggerMs, signal: this.#ending.signal };
    try {
      const at = await this.#waitForEarlierFaults(plan);
      const noticing = this.#startNoticing(plan, at.afterMs);
      const trigger = await awaitTrigger(at, events, wait);
      return { trigger, noticing: await noticing };
    } catch (error) {
      // An interrupted run was not meant to reach its later faults.
      if (!this.#options.signal.aborted) {
        const trigger = describeTrigger(plan.at);
        const { name } = plan;
        this.#problems.push(`${name} never landed: waited for ${trigger}, ${reasonOf(error)}`);
      }
      return null;
    }
  }

  /** Never rejects. */
  async #startNoticing({ noticed = [] }: PlannedFault, afterMs: number): Promise<Noticing | null> {
    const { readMetrics, design } = this.#options;
    const mustNotice = noticed.filter(
      ({ designs }) => designs === undefined || design === undefined || designs.includes(design),
    );
    if (mustNotice.length === 0 || readMetrics === undefined) return null;
    const { signal } = this.#ending;
    const waitMs = Math.max(0, afterMs - NOTICING_LEAD_MS);
    await sleep(waitMs, undefined, { signal }).catch(() => {});
    return await Noticing.start(mustNotice, readMetrics);
  }

  /**
   * Resolves, when the faults named in `after` have ended, to the rest of the trigger: its time has passed meanwhile.
   */
  async #waitForEarlierFaults({ at, after = [] }: PlannedFault): Promise<FaultTrigger> {
    if (after.length === 0) return at;
    const { afterMs, latestMs } = at;
    const { signal } = this.#ending;
    await sleep(afterMs, undefined, { signal }).catch(() => {});
    await Promise.all(after.map((name) => this.#lifecycles.get(name)));
    signal.throwIfAborted();
    return {
      ...at,
      afterMs: 0,
      ...(latestMs === undefined ? {} : { latestMs: latestMs - afterMs }),
    };
  }

  async #heal({ plan: { name }, fault }: PreparedFault, applied: AppliedFault): Promise<void> {
    const { hasLanded, noticing } = applied;
    if (hasLanded) {
      const [evidence] = await Promise.all([this.#measure(fault), noticing?.readHeld()]);
      this.#recordEvidence(name, evidence);
    }
    this.#record(name, 'undo');
    try {
      await withTimeout(fault.undo(), this.#limits.undoMs);
      for (const decision of fault.decisions())
        this.#records.push({ ...decision, name, atUs: decision.atUs - this.#originUs });
      this.#record(name, 'healed', await waitUntilHealed(fault, this.#limits.healMs));
      if (noticing !== null) this.#recordEvidence(name, await noticing.evidence());
    } catch (error) {
      this.#problems.push(`${name} never healed: ${reasonOf(error)}`);
    }
  }

  /** What could not be measured is evidence of nothing, and says so. */
  async #measure(fault: Fault): Promise<readonly FaultEvidence[]> {
    if (fault.measure === undefined) return [];
    try {
      return await withTimeout(fault.measure(), this.#limits.measureMs);
    } catch (error) {
      return [{ what: `effect (${reasonOf(error)})`, value: null }];
    }
  }

  #recordEvidence(name: string, evidence: readonly FaultEvidence[]): void {
    if (evidence.length === 0) return;
    this.#records.push({
      kind: 'fault',
      name,
      event: 'measured',
      atUs: this.#options.nowUs(),
      evidence,
    });
  }

  #record(name: string, event: FaultRecord['event'], detail?: string): void {
    const atUs = this.#options.nowUs();
    this.#records.push({
      kind: 'fault',
      name,
      event,
      atUs,
      ...(detail === undefined ? {} : { detail }),
    });
  }
}

async function waitUntilHealed(fault: Fault, limitMs: number): Promise<string> {
  const startedAt = performance.now();
  for (let probes = 1; ; probes += 1) {
    const answer = await withTimeout(fault.probe(), limitMs);
    if (answer === true) return `probe ${probes} passed`;
    if (performance.now() - startedAt > limitMs) throw new Error(answer);
    await sleep(PROBE_INTERVAL_MS);
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message.split('\n')[0]! : String(error);
