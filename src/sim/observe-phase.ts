/** A judged phase under instruments: PostgreSQL's own statistics and the service's metrics, before and after. */
import { readFile } from 'node:fs/promises';
import type { ArmRun, PhaseOptions, Window } from './arm-run.ts';
import { connectPostgresObserver } from './effects/observe/postgres.ts';
import { type MetricsSnapshot, quantileBetween } from './effects/observe/prometheus.ts';
import {
  gainsBetween,
  type MetricsReading,
  readMetrics,
} from './effects/observe/service-metrics.ts';
import { databaseOf } from './effects/testbed/testbed.ts';
import type { DiagnosisEvidence } from './pure/diagnose.ts';
import { metricsIn } from './pure/judge-slos.ts';
import type { Account } from './pure/workload.ts';
import type { DiagnosisSpec, Slo } from './scenario.ts';

export interface ObservedPhase {
  readonly judged: Window;
  readonly evidence: DiagnosisEvidence;
}

export async function observePhase(
  run: ArmRun,
  phase: PhaseOptions,
  { culprit, metrics, slos }: DiagnosisSpec & { readonly slos: readonly Slo[] },
  work: () => Promise<void>,
): Promise<ObservedPhase> {
  const { targets, accountsFile } = run.testbed;
  const database = databaseOf(run.testbed);
  if (database === null) throw new Error('a diagnosis reads PostgreSQL, and the testbed has none');
  const observer = await connectPostgresObserver(database.address.url);
  try {
    await observer.begin();
    const metricsBefore = await readMetrics(targets);
    const judged = await run.phase(phase, work);
    const metricsAfter = await readMetrics(targets);
    const asked = { phase: phase.name, metrics: metricsIn(slos, phase) };
    run.metrics.push(...gainsBetween(asked, metricsBefore, metricsAfter));
    const ofService = (read: MetricsReading) => read.get(targets[0]!.name) ?? null;
    const measured = serviceEvidence(ofService(metricsBefore), ofService(metricsAfter), metrics);
    const seen = await observer.end();
    const dearest = seen.statements?.find(({ query }) => /^\s*select\b/i.test(query));
    const explained =
      seen.statements?.find(({ query }) => query.includes(culprit)) ?? dearest ?? null;
    const plan =
      explained === null
        ? null
        : await observer.explain(explained.query, await ordinaryAccount(accountsFile));
    return {
      judged,
      evidence: { ...seen, plan, ...measured },
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
  const delaySeconds = after?.value(names.eventLoopDelay) ?? null;
  return {
    poolWaitP99Us:
      before === null || after === null
        ? null
        : quantileBetween(before.histogram(names.poolWait), after.histogram(names.poolWait), 0.99),
    eventLoopDelayP99Us: delaySeconds === null ? null : Math.round(delaySeconds * 1e6),
  };
}

/** The last account: the first ones are the unusual ones. */
async function ordinaryAccount(accountsFile: string): Promise<string> {
  const accounts = JSON.parse(await readFile(accountsFile, 'utf8')) as Account[];
  return accounts.at(-1)?.id ?? '0';
}
