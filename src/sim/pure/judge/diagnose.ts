/**
 * Diagnosis from the instruments. Every sentence cites a measured figure, and excluded causes are listed with their
 * evidence.
 */
import type { Diagnosis, QueryShare } from '../../result.ts';

/** Readings of the instruments over a phase. */
export interface DiagnosisEvidence {
  /** Largest first; null when the server keeps no statement statistics. */
  readonly statements:
    | readonly { query: string; calls: number; totalMs: number; rows: number }[]
    | null;
  /** Why `statements` is null. */
  readonly withoutStatements?: string;
  readonly allStatementsMs: number;
  readonly waitSamples: Readonly<Record<string, number>>;
  readonly lockWaits: { readonly blocked: number; readonly samples: number };
  readonly deadlocks: number;
  readonly plan: { readonly query: string; readonly text: string } | null;
  readonly poolWaitP99Us: number | null;
  readonly eventLoopDelayP99Us: number | null;
}

export interface DiagnosisInput extends DiagnosisEvidence {
  /** Substring of the statement that the incident report blames. */
  readonly culprit: string;
  /** Completed in the phase. */
  readonly operations: number;
  /** PostgreSQL's CPU over the phase, percent of the cores it was given; null when not measured. */
  readonly databaseCpuPercent: number | null;
  readonly latencyP99Us: number;
}

/** Share of statement time from which the documented statement counts as the culprit. */
const CULPRIT_SHARE = 0.5;
const QUERY_TEXT_LIMIT = 400;

export function diagnose(input: DiagnosisInput): Diagnosis {
  const queries = queryShares(input);
  const waits = waitShares(input.waitSamples);
  const plan = input.plan === null ? null : readPlan(input.plan);
  return {
    finding: describeFinding(input, queries[0], plan),
    queries,
    plan,
    waits,
    ruledOut: ruleOutCauses(input, waits),
    poolWaitP99Us: input.poolWaitP99Us,
    eventLoopDelayP99Us: input.eventLoopDelayP99Us,
  };
}

/** Calls of the documented statement in this phase; null when the server keeps no statistics. */
export function culpritCalls(input: Pick<DiagnosisInput, 'culprit' | 'statements'>): number | null {
  if (input.statements === null) return null;
  return input.statements
    .filter((statement) => statement.query.includes(input.culprit))
    .reduce((calls, statement) => calls + statement.calls, 0);
}

function queryShares({ statements, allStatementsMs, culprit }: DiagnosisInput): QueryShare[] {
  return (statements ?? []).map((statement) => {
    const share = allStatementsMs > 0 ? statement.totalMs / allStatementsMs : 0;
    return {
      query: statement.query.slice(0, QUERY_TEXT_LIMIT),
      calls: statement.calls,
      totalMs: statement.totalMs,
      meanMs: statement.calls > 0 ? statement.totalMs / statement.calls : 0,
      rowsPerCall: statement.calls > 0 ? statement.rows / statement.calls : 0,
      share,
      culprit: share >= CULPRIT_SHARE && statement.query.includes(culprit),
    };
  });
}

function waitShares(samples: Readonly<Record<string, number>>): Diagnosis['waits'] {
  const total = Object.values(samples).reduce((sum, count) => sum + count, 0);
  return Object.entries(samples)
    .map(([event, count]) => ({ event, samples: count, share: count / total }))
    .sort((a, b) => b.samples - a.samples)
    .slice(0, 8);
}

/** Scan node and rows removed by filters, from EXPLAIN's text format. */
export function readPlan(plan: { query: string; text: string }): NonNullable<Diagnosis['plan']> {
  const scans = [...plan.text.matchAll(/((?:Parallel )?(?:Seq|Index(?: Only)?|Bitmap \w+) Scan)/g)];
  const removed = [...plan.text.matchAll(/Rows Removed by Filter: (\d+)/g)];
  return {
    query: plan.query.slice(0, QUERY_TEXT_LIMIT),
    node:
      scans.map((scan) => scan[1]!).find((node) => node.includes('Seq')) ?? scans[0]?.[1] ?? 'none',
    rowsRemoved: removed.reduce((sum, match) => sum + Number(match[1]), 0),
    text: plan.text,
  };
}

function describeFinding(
  input: DiagnosisInput,
  top: QueryShare | undefined,
  plan: Diagnosis['plan'],
): string {
  if (input.statements === null) {
    if (input.withoutStatements !== undefined)
      return `No query can be named: ${input.withoutStatements}.`;
    return 'The server keeps no statement statistics (pg_stat_statements), so no query can be named.';
  }
  if (top === undefined) return 'The database ran no statement in this phase.';
  const cpu =
    input.databaseCpuPercent === null
      ? ''
      : ` while database CPU stood at ${input.databaseCpuPercent.toFixed(0)} %`;
  const share = `${(top.share * 100).toFixed(0)} % of database time`;
  const perCall = `${top.meanMs.toFixed(1)} ms a call`;
  if (!top.culprit) {
    return `No query stands out${cpu}: the dearest takes ${share} at ${perCall}.`;
  }
  const perOperation =
    input.operations > 0 ? `${(top.calls / input.operations).toFixed(2)} calls per request, ` : '';
  const scan =
    plan?.node.includes('Seq') === true
      ? ` by a sequential scan that throws away ${plan.rowsRemoved.toLocaleString('en-US')} rows each time`
      : '';
  return `${top.query} takes ${share} (${perOperation}${perCall})${scan}${cpu}.`;
}

function ruleOutCauses(input: DiagnosisInput, waits: Diagnosis['waits']): Diagnosis['ruledOut'] {
  const list: { cause: string; evidence: string }[] = [];
  const samples = waits.reduce((sum, wait) => sum + wait.samples, 0);
  const share = (prefix: string) =>
    waits
      .filter((wait) => wait.event.startsWith(prefix))
      .reduce((sum, wait) => sum + wait.share, 0);
  const percent = (ratio: number) => `${(ratio * 100).toFixed(1)} %`;
  if (samples > 0 && share('Lock:') < 0.05 && input.deadlocks === 0) {
    const { blocked, samples: taken } = input.lockWaits;
    list.push({
      cause: 'lock contention',
      evidence: `${percent(share('Lock:'))} of ${samples} samples of busy backends wait for a lock, ungranted locks in ${blocked} of ${taken} looks at pg_locks, ${input.deadlocks} deadlocks`,
    });
  }
  if (samples > 0 && share('IO:') < 0.2) {
    list.push({
      cause: 'slow storage',
      evidence: `${percent(share('IO:'))} of samples wait for I/O`,
    });
  }
  if (input.eventLoopDelayP99Us !== null && input.eventLoopDelayP99Us < input.latencyP99Us / 10) {
    list.push({
      cause: 'a blocked event loop in the gateway',
      evidence: `event-loop delay p99 ${(input.eventLoopDelayP99Us / 1_000).toFixed(0)} ms against a response p99 of ${(input.latencyP99Us / 1_000).toFixed(0)} ms`,
    });
  }
  return list;
}
