/**
 * The load generator: one load at a time against the processes of one service, every attempt recorded once. Phases label
 * scheduled instants, so a change of phase does not interrupt the load. Our own, with a schedule and the whole history,
 * takes 43 us of CPU a request at 4,000/s; autocannon 25 to 30 without either, k6 93.
 */
import { readFileSync } from 'node:fs';
import type { OperationRecord } from '../../../history.ts';
import type { SenderTotals } from '../../../pure/judge/measurements.ts';
import { type AccountGroups, groupsOf } from '../../../pure/load/round-robin.ts';
import { maxDurationMs, plannedMs } from '../../../pure/load/schedule.ts';
import type { Account, Workload } from '../../../pure/load/workload.ts';
import type { Actor } from '../http/placeholders.ts';
import {
  type CompiledAccount,
  type CompiledTemplate,
  compileAccount,
  compileTemplate,
} from '../http/request-template.ts';
import { openTarget, type Target } from '../http/target.ts';
import type { OpenTransport } from '../http/transport.ts';
import { Acknowledgements } from './acknowledgements.ts';
import type { Credential } from './credential.ts';
import { Credentials } from './credentials.ts';
import { HistoryWriter } from './history-writer.ts';
import type { Load, LoadOptions, StartOperation } from './load.ts';
import { type Clock, clockSince } from './monotonic-clock.ts';
import { startOpenLoad } from './open-load.ts';
import { Operations } from './operations.ts';
import { Progress, WINDOW_MS } from './progress.ts';
import { RetryScheduler } from './retry-scheduler.ts';
import type { FromSender, SenderInit, ToSender } from './sender-protocol.ts';
import { startUsersLoad } from './users-load.ts';

/** Precision of timeouts. */
const EXPIRE_EVERY_MS = 20;

type RunMessage = Extract<ToSender, { type: 'run' }>;

type Totals = {
  -readonly [Name in Exclude<keyof SenderTotals, keyof Operations['flightTotals']>]: number;
};

interface ActiveRun {
  readonly load: Load;
  readonly scheduler: RetryScheduler;
  readonly phases: { readonly fromUs: number; readonly name: string }[];
  readonly startedUs: number;
  /** Operations whose last attempt is recorded. */
  ended: number;
  /** Attempts, and those of them that are retries. */
  recorded: number;
  retries: number;
  exhausted: boolean;
  grace: NodeJS.Timeout | null;
}

export class LoadEngine {
  readonly #send: (message: FromSender) => void;
  readonly #fail: (error: unknown) => void;
  readonly #clock: Clock;
  readonly #targets: readonly Target[];
  readonly #accounts: readonly CompiledAccount[];
  readonly #groups: AccountGroups;
  readonly #credentials: Credentials;
  readonly #timeoutMs: number;
  readonly #history: HistoryWriter;
  readonly #acknowledgements: Acknowledgements;
  readonly #operations: Operations;
  readonly #timers: readonly NodeJS.Timeout[];
  #progress: Progress;
  #run: ActiveRun | null = null;
  #totals: Totals = { planned: 0, recorded: 0, retries: 0, completed: 0, responseSumUs: 0 };

  constructor(
    init: SenderInit,
    owner: {
      readonly send: (message: FromSender) => void;
      readonly fail: (error: unknown) => void;
    },
    /** Default: our own sockets. */
    transport?: OpenTransport,
  ) {
    this.#send = owner.send;
    this.#fail = owner.fail;
    this.#clock = clockSince(init.originUs);
    if (init.targets.length === 0) throw new Error('there is nothing to load: no targets');
    const accounts = JSON.parse(readFileSync(init.accountsFile, 'utf8')) as readonly Account[];
    this.#accounts = accounts.map(compileAccount);
    this.#groups = groupsOf(accounts);
    this.#credentials = new Credentials(this.#accounts);
    this.#timeoutMs = init.timeoutMs;
    this.#history = new HistoryWriter(init.historyFile);
    this.#acknowledgements = new Acknowledgements((message) => this.#send(message));
    const poolOptions = {
      maxConnections: init.maxConnections,
      connectTimeoutMs: init.timeoutMs,
      clock: this.#clock,
    };
    this.#targets = init.targets.map((address) => openTarget(address, poolOptions, transport));
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
    const swept =
      workload.kind === 'sweep'
        ? this.#credentials.all(workload.as, workload.operations[0].group)
        : null;
    const actorOf = (template: CompiledTemplate, position: number): Actor | null =>
      swept === null ? this.#actorOf(template, position) : swept[position]!;
    const counts = { credentials: swept?.length ?? 0, targets: this.#targets.length };
    const phases = [{ fromUs: Number.NEGATIVE_INFINITY, name: phase }];
    const scheduler = new RetryScheduler({
      seed,
      clock: this.#clock,
      targets: this.#targets,
      operations: this.#operations,
      credentials: this.#credentials,
      plannedEndUs: startUs + plannedMs(workload, counts) * 1000,
      phaseAt: (scheduledUs) => phaseAt(phases, scheduledUs),
    });
    const start: StartOperation = ({ template: index, position, target, scheduledUs, onDone }) => {
      const template = templates[index]!;
      const actor = template.needsActor ? actorOf(template, position) : null;
      this.#progress.countStarted();
      scheduler.start({
        template,
        target,
        actor,
        // The actor is a credential: a template that revokes one is not anonymous.
        revokingCredential:
          template.revokesCredential === false ? null : (actor as Credential | null),
        scheduledUs,
        onDone: (doneUs) => {
          run.ended += 1;
          onDone(doneUs);
          this.#finishIfDone(run);
        },
      });
    };
    const load = startLoad(workload, {
      seed,
      startUs,
      clock: this.#clock,
      accounts: this.#accounts.length,
      groups: this.#groups,
      sweptCredentials: counts.credentials,
      targets: counts.targets,
      start,
      onExhausted: () => {
        run.exhausted = true;
        this.#finishIfDone(run);
      },
    });
    const run: ActiveRun = {
      load,
      scheduler,
      phases,
      startedUs: startUs,
      ended: 0,
      recorded: 0,
      retries: 0,
      exhausted: false,
      grace: null,
    };
    this.#run = run;
    this.#progress = new Progress(this.#clock());
    this.#send({ type: 'started', limitMs: maxDurationMs(workload, counts, this.#timeoutMs) });
  }

  phase(name: string): void {
    const atUs = this.#clock();
    this.#active().phases.push({ fromUs: atUs, name });
    this.#send({ type: 'phase-started', phase: name, atUs });
  }

  users(count: number): void {
    this.#active().load.setUsers(count);
  }

  /** Operations in flight, and retries due within `graceMs`, may still end. */
  stop(graceMs: number): void {
    const run = this.#run;
    if (run === null || run.grace !== null) return;
    run.load.stop();
    run.exhausted = true;
    run.grace = setTimeout(() => this.#giveUp(run), graceMs);
    run.scheduler.limitRetriesTo(this.#clock() + graceMs * 1000);
    this.#finishIfDone(run);
  }

  acknowledged(waiterId: number, operation: string): void {
    this.#acknowledgements.subscribe(waiterId, operation);
  }

  totals(): SenderTotals {
    const inRun = this.#run?.load.planned ?? 0;
    return {
      ...this.#totals,
      ...this.#operations.flightTotals,
      planned: this.#totals.planned + inRun,
    };
  }

  /** Everything recorded is in the file afterwards. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#run?.load.stop();
    if (this.#run !== null) this.#giveUp(this.#run);
    for (const { pool } of this.#targets) pool.close();
    await this.#history.close();
  }

  /** An anonymous operation concerns its account; any other acts as a credential of the kind in `as`. */
  #actorOf(template: CompiledTemplate, position: number): Actor | null {
    const { anonymous, actsAs, group } = template;
    if (!anonymous) return this.#credentials.draw(actsAs, position, group);
    if (group === undefined) return this.#accounts[position % this.#accounts.length]!;
    const members = this.#groups.get(group)!;
    return this.#accounts[members[position % members.length]!]!;
  }

  #giveUp(run: ActiveRun): void {
    run.scheduler.limitRetriesTo(Number.NEGATIVE_INFINITY);
    this.#operations.giveUpAll();
  }

  #active(): ActiveRun {
    if (this.#run === null) throw new Error('no load is running');
    return this.#run;
  }

  #onRecord(record: OperationRecord): void {
    this.#history.append(record);
    this.#progress.countRecorded(record);
    this.#acknowledgements.onRecord(record);
    this.#totals.recorded += 1;
    if (this.#run !== null) this.#run.recorded += 1;
    if (record.retryOf !== undefined) {
      this.#totals.retries += 1;
      if (this.#run !== null) this.#run.retries += 1;
    }
    if (record.status === 0) return;
    this.#totals.completed += 1;
    this.#totals.responseSumUs += record.doneUs - record.scheduledUs;
  }

  #finishIfDone(run: ActiveRun): void {
    if (!run.exhausted || run.ended < run.load.planned || this.#run !== run) return;
    if (run.grace !== null) clearTimeout(run.grace);
    const { planned } = run.load;
    const summary = {
      phase: run.phases.at(-1)!.name,
      planned,
      recorded: run.recorded,
      retries: run.retries,
      startedUs: run.startedUs,
      endedUs: this.#clock(),
    };
    this.#run = null;
    this.#totals.planned += planned;
    // The receiver of `finished` may read the file at once.
    this.#history.flush().then(() => this.#send({ type: 'finished', ...summary }), this.#fail);
  }

  #sendProgress(): void {
    if (this.#run === null) return;
    const figures = this.#progress.rotate(this.#clock());
    const phase = this.#run.phases.at(-1)!.name;
    this.#send({ type: 'progress', phase, inFlight: this.#operations.inFlight, ...figures });
  }
}

function startLoad(workload: Workload, options: LoadOptions): Load {
  return workload.kind === 'users'
    ? startUsersLoad(workload, options)
    : startOpenLoad(workload, options);
}

function phaseAt(phases: ActiveRun['phases'], scheduledUs: number): string {
  // From the end: an operation belongs to the newest phase, or rarely to the one just before.
  return phases.findLast((phase) => phase.fromUs <= scheduledUs)!.name;
}
