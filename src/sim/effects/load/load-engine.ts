/**
 * The load generator without its process: one load at a time against the processes of one service, every operation recorded
 * once. Phases are labels over scheduled instants, so a change of phase never interrupts the load.
 */
import { readFileSync } from 'node:fs';
import type { OperationRecord } from '../../history.ts';
import type { Account } from '../../pure/workload.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { HistoryWriter } from './history-writer.ts';
import type { Load } from './load.ts';
import { type Clock, clockSince } from './monotonic-clock.ts';
import { startOpenLoad } from './open-load.ts';
import { Operations } from './operations.ts';
import { Progress, WINDOW_MS } from './progress.ts';
import { type CompiledAccount, compileAccount, compileTemplate } from './request-template.ts';
import type { FromSender, SenderInit, SenderTotals, ToSender } from './sender-protocol.ts';
import { openTarget, type Target } from './target.ts';
import { startUsersLoad } from './users-load.ts';

/** How late a timeout may be noticed. */
const EXPIRE_EVERY_MS = 20;

type RunMessage = Extract<ToSender, { type: 'run' }>;

type Totals = { -readonly [Name in keyof SenderTotals]: number };

interface ActiveRun {
  readonly load: Load;
  readonly phases: { readonly fromUs: number; readonly name: string }[];
  readonly startedUs: number;
  recorded: number;
  exhausted: boolean;
  grace: NodeJS.Timeout | null;
}

export class LoadEngine {
  readonly #send: (message: FromSender) => void;
  readonly #fail: (error: unknown) => void;
  readonly #clock: Clock;
  readonly #targets: readonly Target[];
  readonly #accounts: readonly CompiledAccount[];
  readonly #history: HistoryWriter;
  readonly #acknowledgements: Acknowledgements;
  readonly #operations: Operations;
  readonly #timers: readonly NodeJS.Timeout[];
  #progress: Progress;
  #run: ActiveRun | null = null;
  #totals: Totals = { planned: 0, recorded: 0, completed: 0, responseSumUs: 0 };

  constructor(
    init: SenderInit,
    owner: {
      readonly send: (message: FromSender) => void;
      readonly fail: (error: unknown) => void;
    },
  ) {
    this.#send = owner.send;
    this.#fail = owner.fail;
    this.#clock = clockSince(init.originUs);
    if (init.targets.length === 0) throw new Error('there is nothing to load: no targets');
    const accounts = JSON.parse(readFileSync(init.accountsFile, 'utf8')) as readonly Account[];
    this.#accounts = accounts.map(compileAccount);
    this.#history = new HistoryWriter(init.historyFile);
    this.#acknowledgements = new Acknowledgements((answer) => this.#send(answer));
    this.#targets = init.targets.map((address) =>
      openTarget(address, {
        maxConnections: init.maxConnections,
        connectTimeoutMs: init.timeoutMs,
        clock: this.#clock,
      }),
    );
    this.#operations = new Operations({
      clock: this.#clock,
      requestIdPrefix: init.requestIdPrefix,
      timeoutUs: init.timeoutMs * 1000,
      maxInFlight: init.maxInFlight,
      nameTargets: init.targets.length > 1,
      onRecord: (record) => this.#onRecord(record),
    });
    this.#progress = new Progress(this.#clock());
    this.#timers = [
      setInterval(() => this.#operations.expire(), EXPIRE_EVERY_MS),
      setInterval(() => this.#sendProgress(), WINDOW_MS),
    ];
  }

  run(message: RunMessage): void {
    if (this.#run !== null) throw new Error('a load is running already');
    const { workload, seed, startUs, phase } = message;
    const templates = workload.operations.map((template) =>
      compileTemplate(template, this.#accounts),
    );
    if (this.#accounts.length === 0 && templates.some((template) => !template.anonymous)) {
      throw new Error('there are no accounts to act as');
    }
    const options = {
      seed,
      startUs,
      clock: this.#clock,
      accounts: this.#accounts.length,
      targets: this.#targets.length,
      start: (planned: Parameters<Parameters<typeof startOpenLoad>[1]['start']>[0]) => {
        const template = templates[planned.template]!;
        this.#progress.started();
        this.#operations.start({
          phase: phaseAt(run, planned.scheduledUs),
          template,
          target: this.#targets[planned.target]!,
          account: template.anonymous ? null : this.#accounts[planned.account]!,
          scheduledUs: planned.scheduledUs,
          onDone: (doneUs) => {
            run.recorded += 1;
            planned.onDone(doneUs);
            this.#finishIfDone(run);
          },
        });
      },
      onExhausted: () => {
        run.exhausted = true;
        this.#finishIfDone(run);
      },
    };
    if (workload.kind === 'sweep') throw new Error('a sweep is not built yet');
    const load =
      workload.kind === 'open'
        ? startOpenLoad(workload, options)
        : startUsersLoad(workload, options);
    const phases = [{ fromUs: Number.NEGATIVE_INFINITY, name: phase }];
    const run: ActiveRun = {
      load,
      phases,
      startedUs: startUs,
      recorded: 0,
      exhausted: false,
      grace: null,
    };
    this.#run = run;
    this.#progress = new Progress(this.#clock());
  }

  phase(name: string): void {
    const atUs = this.#clock();
    this.#active().phases.push({ fromUs: atUs, name });
    this.#send({ type: 'phase-started', phase: name, atUs });
  }

  users(count: number): void {
    this.#active().load.setUsers(count);
  }

  /** Operations that are due already still get the grace; then they are given up. */
  stop(graceMs: number): void {
    const run = this.#run;
    if (run === null || run.grace !== null) return;
    run.load.stop();
    run.exhausted = true;
    run.grace = setTimeout(() => this.#operations.giveUpAll(), graceMs);
    this.#finishIfDone(run);
  }

  acknowledged(question: number, operation: string): void {
    this.#acknowledgements.ask(question, operation);
  }

  totals(): SenderTotals {
    const inRun = this.#run?.load.planned ?? 0;
    return { ...this.#totals, planned: this.#totals.planned + inRun };
  }

  /** Everything recorded is in the file afterwards. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#run?.load.stop();
    this.#operations.giveUpAll();
    for (const { pool } of this.#targets) pool.close();
    await this.#history.close();
  }

  #active(): ActiveRun {
    if (this.#run === null) throw new Error('no load is running');
    return this.#run;
  }

  #onRecord(record: OperationRecord): void {
    this.#history.append(record);
    this.#progress.recorded(record);
    this.#acknowledgements.recorded(record);
    this.#totals.recorded += 1;
    if (record.status === 0) return;
    this.#totals.completed += 1;
    this.#totals.responseSumUs += record.doneUs - record.scheduledUs;
  }

  #finishIfDone(run: ActiveRun): void {
    if (!run.exhausted || run.recorded < run.load.planned || this.#run !== run) return;
    if (run.grace !== null) clearTimeout(run.grace);
    const { planned } = run.load;
    const summary = {
      phase: run.phases.at(-1)!.name,
      planned,
      recorded: run.recorded,
      startedUs: run.startedUs,
      endedUs: this.#clock(),
    };
    this.#run = null;
    this.#totals.planned += planned;
    // Whoever hears of the end may read the file at once.
    this.#history.flush().then(() => this.#send({ type: 'finished', ...summary }), this.#fail);
  }

  #sendProgress(): void {
    if (this.#run === null) return;
    const figures = this.#progress.turn(this.#clock());
    const phase = this.#run.phases.at(-1)!.name;
    this.#send({ type: 'progress', phase, inFlight: this.#operations.inFlight, ...figures });
  }
}

function phaseAt(run: ActiveRun, scheduledUs: number): string {
  // From the end: an operation belongs to the newest phase, or rarely to the one just before.
  return run.phases.findLast((phase) => phase.fromUs <= scheduledUs)!.name;
}
