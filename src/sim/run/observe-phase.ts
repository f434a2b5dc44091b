/** Runs a judged phase between two readings of PostgreSQL's statistics and the service's metrics. */
import { readFile } from 'node:fs/promises';
import { connectPostgresObserver } from '../effects/observe/postgres.ts';
import { type MetricsSnapshot, quantileBetween } from '../effects/observe/prometheus.ts';
import {
  type MetricsReading,
  metricIncreases,
  metricsSourcesOf,
  readMetrics,
} from '../effects/observe/service-metrics.ts';
import { databaseOf } from '../effects/testbed/testbed.ts';
import type { DiagnosisEvidence } from '../pure/judge/diagnose.ts';
import { metricsIn } from '../pure/judge/judge-slos.ts';
import type { Account } from '../pure/load/workload.ts';
import type { DiagnosisSpec, Slo } from '../scenario.ts';
import type { ArmSession, MeasuredWindow, PhaseOptions } from './arm-session.ts';

export interface ObservedPhase {
  readonly judged: MeasuredWindow;
  readonly evidence: DiagnosisEvidence;
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
  const observer = await connectPostgresObserver(database.address.url);
  try {
    await observer.begin();
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
    const observation = await observer.end();
    const mostExpensiveSelect = observation.statements?.find(({ query }) =>
      /^\s*select\b/i.test(query),
    );
    const explained =
      observation.statements?.find(({ query }) => query.includes(culprit)) ??
      mostExpensiveSelect ??
      null;
    const plan =
      explained === null
        ? null
        : await observer.explain(explained.query, await readOrdinaryAccount(accountsFile));
    return {
      judged,
      evidence: { ...observation, plan, ...serviceFigures },
    };
  } finally {
    await observer.close();
  }
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
