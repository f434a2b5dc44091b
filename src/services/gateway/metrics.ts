/**
 * The metrics that the runbook names, in Prometheus text. Gauges over time (hit rates, event-loop delay) cover the last
 * minute. Reading them changes nothing.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditObserver } from '../audit/contract.ts';
import type { Decision, LimiterObserver } from '../rate-limit/contract.ts';
import type { SessionObserver } from '../sessions/contract.ts';
import { collectProcessMetrics, observeEventLoopDelay } from './event-loop-delay.ts';
import { createHistogram, type Series } from './histogram.ts';
import { createHitRate } from './hit-rate.ts';
import { createStoreMetrics, type ReadPools, type StoreMetrics } from './store-metrics.ts';

const latencyBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.85, 1, 2, 3, 4, 5, 7.5, 10, 15,
  30,
];
const shortBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10,
];

export interface Metrics extends StoreMetrics {
  readonly registry: Registry;
  observeResponse(route: string, status: number, seconds: number): void;
  readonly limiter: Omit<LimiterObserver, 'onError'>;
  /** A decision whose header fields were written on a response. */
  countDecision(decision: Decision): void;
  readonly sessions: Omit<SessionObserver, 'onError'>;
  readonly audit: AuditObserver;
  /** How long a finished response waited for its audit event to be committed. */
  observeAuditWait(seconds: number): void;
  close(): void;
}

function createSessionMetrics(registers: Registry[]): Metrics['sessions'] {
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const countCacheRead = createHitRate(registers, {
    counters: 'auth_service_cache',
    gauge: 'auth_service_cache_hit_rate',
    what: 'Session checks in Redis',
  });
  const fallbacks = counter(
    'session_fallbacks_total',
    'Session checks answered by PostgreSQL because Redis could not be used',
  );
  const breaker = new Gauge({
    name: 'session_redis_breaker_open',
    help: '1 while session checks leave Redis alone',
    registers,
  });
  breaker.set(1);
  const opened = counter(
    'session_redis_breaker_opened_total',
    'How often session checks began to leave Redis alone',
  );
  const waits = new Histogram({
    name: 'session_fence_wait_seconds',
    help: 'How long a logout waited for every process to leave the old copies',
    buckets: shortBuckets,
    registers,
  });
  const unconfirmed = counter('session_fence_unconfirmed_total', 'Logouts that had to say so');
  const forged = counter(
    'session_forged_copies_total',
    'Copies in Redis that were refused because this service did not write them',
  );
  return {
    onCacheRead: countCacheRead,
    onForgedCopy: () => forged.inc(),
    onDatabaseFallback: () => fallbacks.inc(),
    onBreaker(open) {
      breaker.set(open ? 1 : 0);
      if (open) opened.inc();
    },
    onFence(seconds, confirmed) {
      waits.observe(seconds);
      if (!confirmed) unconfirmed.inc();
    },
  };
}

/** A level that has at most this fraction left is near its limit. */
const NEAR_LIMIT_FRACTION = 0.2;

/** Labelled by policy, of which a design has a handful; never by subject. */
function createLimiterMetrics(registry: Registry): Pick<Metrics, 'limiter' | 'countDecision'> {
  const registers = [registry];
  const latency = createHistogram(registry, {
    name: 'rate_limiter_redis_latency_seconds',
    help: 'One decision of the limiter that Redis was asked for',
    bounds: shortBuckets,
  })({});
  let pendingAdmitted = 0;
  const decisions = new Counter({
    name: 'rate_limiter_decisions_total',
    help: 'Decisions by how they were made: store, share (local, without Redis), closed (refused without Redis)',
    labelNames: ['mode', 'outcome'] as const,
    registers,
    // The commonest series is counted in a variable and added at a scrape.
    collect() {
      if (pendingAdmitted > 0) this.inc({ mode: 'store', outcome: 'admitted' }, pendingAdmitted);
      pendingAdmitted = 0;
    },
  });
  const byPolicy = (name: string, help: string) =>
    new Counter({ name, help, labelNames: ['policy'] as const, registers });
  const refused = byPolicy('rate_limiter_refused_total', 'Requests this policy refused');
  const shadowed = byPolicy(
    'rate_limiter_shadow_refused_total',
    'Requests this policy would have refused, had it not been in shadow mode',
  );
  const near = byPolicy('rate_limiter_near_limit_total', 'Decisions that saw 80 % or more used');
  const breaker = new Gauge({
    name: 'rate_limiter_breaker_open',
    help: '1 while the limiter leaves Redis alone',
    registers,
  });
  const opened = new Counter({
    name: 'rate_limiter_breaker_opened_total',
    help: 'How often the limiter began to leave Redis alone',
    registers,
  });
  return {
    limiter: {
      onDecision(mode, seconds) {
        if (mode === 'store') latency.observe(seconds);
      },
      onBreaker(open) {
        breaker.set(open ? 1 : 0);
        if (open) opened.inc();
      },
    },
    countDecision({ admitted, mode, levels }) {
      if (mode === 'store' && admitted) pendingAdmitted += 1;
      else decisions.inc({ mode, outcome: admitted ? 'admitted' : 'refused' });
      // No level was evaluated.
      if (mode === 'closed') return;
      for (const level of levels) {
        const { policy } = level;
        if (!level.admitted) (level.shadow ? shadowed : refused).inc({ policy });
        if (level.remaining <= NEAR_LIMIT_FRACTION * level.limit) near.inc({ policy });
      }
    },
  };
}

function createAuditMetrics(registers: Registry[]): AuditObserver {
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers });
  const flushTime = histogram('audit_flush_seconds', 'One audit write, to commit', shortBuckets);
  const flushSize = histogram(
    'audit_flush_events',
    'Events in one audit write',
    [1, 2, 5, 10, 20, 50, 100, 200, 500],
  );
  const delay = histogram(
    'audit_sequence_delay_seconds',
    'How long the oldest record of a block had waited for it',
    shortBuckets,
  );
  const sequenced = new Counter({
    name: 'audit_sequenced_total',
    help: 'Records put into blocks by this process',
    registers,
  });
  const waiting = new Gauge({
    name: 'audit_local_log_events',
    help: 'Events in the local log, waiting for PostgreSQL',
    registers,
  });
  return {
    onFlush(events, seconds) {
      flushSize.observe(events);
      flushTime.observe(seconds);
    },
    onSequenced(records, oldestSeconds) {
      sequenced.inc(records);
      delay.observe(oldestSeconds);
    },
    onSpill: (events) => waiting.set(events),
    onCacheRead: createHitRate(registers, {
      counters: 'activity_cache',
      gauge: 'activity_cache_hit_rate',
      what: 'First activity pages',
    }),
  };
}

export function createMetrics(sources: {
  auditDepth(): number;
  isSequencing(): boolean;
  pools: ReadPools;
}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectProcessMetrics(registry);
  const stopDelay = observeEventLoopDelay(registry, {
    histogram: 'event_loop_delay_seconds',
    gauge: 'event_loop_delay_p99_seconds',
  });

  const responseTimes = createHistogram(registry, {
    name: 'api_gateway_response_time_seconds',
    help: 'From the request read to the answer written',
    bounds: latencyBuckets,
  });
  const auditWait = createHistogram(registry, {
    name: 'audit_wait_seconds',
    help: 'How long an answer that was ready waited for its event to be on record',
    bounds: shortBuckets,
  })({});
  const byRoute = new Map<string, Map<number, Series>>();
  const createSeries = (route: string, status: number): Series => {
    const byStatus = byRoute.get(route) ?? new Map<number, Series>();
    byRoute.set(route, byStatus);
    const series = responseTimes({ route, status });
    byStatus.set(status, series);
    return series;
  };
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('audit_service_queue_depth', 'Audit events not yet committed', () => sources.auditDepth());
  gauge('audit_sequencer_running', '1 while the sequencer beside this process runs', () =>
    sources.isSequencing() ? 1 : 0,
  );

  return {
    registry,
    observeResponse: (route, status, seconds) =>
      (byRoute.get(route)?.get(status) ?? createSeries(route, status)).observe(seconds),
    ...createLimiterMetrics(registry),
    ...createStoreMetrics(registers, { pools: sources.pools, waitBuckets: shortBuckets }),
    sessions: createSessionMetrics(registers),
    audit: createAuditMetrics(registers),
    observeAuditWait: (seconds) => auditWait.observe(seconds),
    close: stopDelay,
  };
}
