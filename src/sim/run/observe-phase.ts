/** Runs a judged phase between two readings of PostgreSQL's statistics and the service's metrics. */
import { readFile } from 'node:fs/promises';
import {
  connectPostgresObserver,
  type PostgresObservation,
  type PostgresObserver,
} from '../effects/observe/postgres.ts';
import { type MetricsSnapshot, quantileBetween } from '../effects/observe/prometheus.ts';
import {
  type MetricsReading,
  metricIncreases,
  metricsSourcesOf,
  readMetrics,
} from '../effects/observe/service-metrics.ts';
import type { StatementStats } from '../effects/observe/statement-statistics.ts';
import { databaseOf } from '../effects/testbed/testbed.ts';
import type { DiagnosisEvidence } from '../pure/judge/diagnose.ts';
import { metricsIn } from '../pure/judge/judge-slos.ts';
import type { Account } from '../pure/load/workload.ts';
import type { DiagnosisSpec, Slo } from '../scenario.ts';
import type { ArmSession, MeasuredWindow, PhaseOptions } from './arm-session.ts';

export interface ObservedPhase {
  readonly judged: MeasuredWindow;
  /** Null where PostgreSQL could not be asked: the phase's note says why. */
  readonly evidence: DiagnosisEvidence | null;
}

export async function observePhase(
  session: ArmSession,
  phase: PhaseOptions,
  { culprit, metrics, slos }: DiagnosisSpec & { readonly slos: readonly Slo[] },
  work: () => Promise<void>,
): Promise<ObservedPhase> {
  const { targets, accountsFile } = session.testbed;
  const database = databaseOf(session.testbed);
  if (database === null) throw new Error('a diagnosis reads PostgreSQL, and the testbed has none');
  const observer = new ForgivingObserver(() => connectPostgresObserver(database.address.url));
  try {
    await observer.run((open) => open.begin());
    const metricsBefore = await readMetrics(metricsSourcesOf(session.testbed));
    const judged = await session.runPhase(phase, work);
    const metricsAfter = await readMetrics(metricsSourcesOf(session.testbed));
    const request = { phase: phase.name, metrics: metricsIn(slos, phase) };
    session.metrics.push(...metricIncreases(request, metricsBefore, metricsAfter));
    const firstProcess = (readings: MetricsReading) => readings.get(targets[0]!.name) ?? null;
    const serviceFigures = serviceEvidence(
      firstProcess(metricsBefore),
      firstProcess(metricsAfter),
      metrics,
    );
    const argument = await readOrdinaryAccount(accountsFile);
    const observed = await observer.run(async (open) => {
      const observation = await open.end();
      const explained = statementToExplain(observation, culprit);
      const plan = explained === null ? null : await open.explain(explained.query, argument);
      return { ...observation, plan, ...serviceFigures };
    });
    const why = observer.failure ?? observed?.withoutStatements ?? null;
    if (why !== null) session.note(phase.name, `no query is named: ${why}`);
    return { judged, evidence: observed };
  } finally {
    await observer.close();
  }
}

/** What the server does not tell costs the diagnosis, never the run: after a failure nothing more is asked. */
class ForgivingObserver {
  readonly #connect: () => Promise<PostgresObserver>;
  #observer: PostgresObserver | null = null;
  #failure: string | null = null;

  constructor(connect: () => Promise<PostgresObserver>) {
    this.#connect = connect;
  }

  get failure(): string | null {
    return this.#failure;
  }

  async run<T>(work: (observer: PostgresObserver) => Promise<T>): Promise<T | null> {
    if (this.#failure !== null) return null;
    try {
      this.#observer ??= await this.#connect();
      return await work(this.#observer);
    } catch (error) {
      this.#failure = (error as Error).message;
      return null;
    }
  }

  async close(): Promise<void> {
    await this.#observer?.close();
  }
}

function statementToExplain(
  { statements }: PostgresObservation,
  culprit: string,
): StatementStats | null {
  return (
    statements?.find(({ query }) => query.includes(culprit)) ??
    statements?.find(({ query }) => /^\s*select\b/i.test(query)) ??
    null
  );
}

function serviceEvidence(
  before: MetricsSnapshot | null,
  after: MetricsSnapshot | null,
  names: DiagnosisSpec['metrics'],
): Pick<DiagnosisEvidence, 'poolWaitP99Us' | 'eventLoopDelayP99Us'> {
  const increaseP99Us = (name: string) =>
    before === null || after === null
      ? null
      : quantileBetween(before.histogram(name), after.histogram(name), 0.99);
  return {
    poolWaitP99Us: increaseP99Us(names.poolWait),
    eventLoopDelayP99Us: increaseP99Us(names.eventLoopDelay),
  };
}

/** The last account: accounts with unusual data come first. */
async function readOrdinaryAccount(accountsFile: string): Promise<string> {
  const accounts = JSON.parse(await readFile(accountsFile, 'utf8')) as Account[];
  return accounts.at(-1)?.id ?? '0';
}
