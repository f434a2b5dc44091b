/**
 * What the runbook reads, under its names, in Prometheus text. Gauges that describe a window (hit rates, event-loop
 * delay) cover the time since the previous scrape, so that an old hour cannot hide the present minute.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditObserver } from '../audit/contract.ts';
import type { Decision, LimiterObserver } from '../rate-limit/contract.ts';
import type { SessionObserver } from '../sessions/contract.ts';
import { createHistogram, type Series } from './tallies.ts';

const latencyBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.85, 1, 2, 3, 4, 5, 7.5, 10, 15,
  30,
];
const shortBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10,
];
const loopResolutionMs = 10;

export interface Metrics {
  readonly registry: Registry;
  answered(route: string, status: number, seconds: number): void;
  readonly limiter: Omit<LimiterObserver, 'report'>;
  /** A decision, as a request was told it. */
  limited(decision: Decision): void;
  poolWaited(seconds: number): void;
  readonly sessions: Omit<SessionObserver, 'report'>;
  readonly audit: AuditObserver;
  /** How long an answer that was ready waited for its event to be on record. */
  auditWaited(seconds: number): void;
  close(): void;
}

/** Hits and misses as counters, and the rate since the last scrape (1 when there were none). */
function hitRate(registers: Registry[], names: { counters: string; gauge: string; what: string }) {
  const { counters, gauge, what } = names;
  // Counted here and told when somebody asks: each of these happens with every request.
  let hit = 0;
  let missed = 0;
  let hitsUntold = 0;
  let missesUntold = 0;
  new Counter({
    name: `${counters}_hits_total`,
    help: `${what}: found`,
    registers,
    collect() {
      this.inc(hitsUntold);
      hitsUntold = 0;
    },
  });
  new Counter({
    name: `${counters}_misses_total`,
    help: `${what}: not found`,
    registers,
    collect() {
      this.inc(missesUntold);
      missesUntold = 0;
    },
  });
  new Gauge({
    name: gauge,
    help: `${what}: share found since the last scrape`,
    registers,
    collect() {
      this.set(hit + missed === 0 ? 1 : hit / (hit + missed));
      hit = 0;
      missed = 0;
    },
  });
  return (found: boolean) => {
    if (found) {
      hit += 1;
      hitsUntold += 1;
    } else {
      missed += 1;
      missesUntold += 1;
    }
  };
}

function eventLoopDelay(registers: Registry[]) {
  const delay = monitorEventLoopDelay({ resolution: loopResolutionMs });
  delay.enable();
  new Gauge({
    name: 'event_loop_delay_p99_seconds',
    help: 'p99 of how late the event loop was, since the last scrape',
    registers,
    collect() {
      // The histogram holds the interval between ticks, which is the resolution when nothing is late.
      this.set(
        delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) / 1e9 - loopResolutionMs / 1e3),
      );
      delay.reset();
    },
  });
  return () => delay.disable();
}

function sessionMetrics(registers: Registry[]): Metrics['sessions'] {
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const looked = hitRate(registers, {
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
  const waits = new Histogram({
    name: 'session_fence_wait_seconds',
    help: 'How long a logout waited for every process to leave the old copies',
    buckets: shortBuckets,
    registers,
  });
  const unconfirmed = counter('session_fence_unconfirmed_total', 'Logouts that had to say so');
  return {
    looked,
    fellBack: () => fallbacks.inc(),
    breaker: (open) => breaker.set(open ? 1 : 0),
    fenced(seconds, confirmed) {
      waits.observe(seconds);
      if (!confirmed) unconfirmed.inc();
    },
  };
}

/** A level that has less than this part left is near its limit. */
const nearLimit = 0.2;

/** Named by policy, of which a design has a handful; never by whom it limits. */
function limiterMetrics(registry: Registry): Pick<Metrics, 'limiter' | 'limited'> {
  const registers = [registry];
  const latency = createHistogram(registry, {
    name: 'rate_limiter_redis_latency_seconds',
    help: 'One decision of the limiter that Redis was asked for',
    bounds: shortBuckets,
  })({});
  let admittedUntold = 0;
  const decisions = new Counter({
    name: 'rate_limiter_decisions_total',
    help: 'Decisions by how they were made: store, share (local, without Redis), closed (refused without Redis)',
    labelNames: ['mode', 'outcome'] as const,
    registers,
    // The usual decision is counted here and told when somebody asks.
    collect() {
      if (admittedUntold > 0) this.inc({ mode: 'store', outcome: 'admitted' }, admittedUntold);
      admittedUntold = 0;
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
  return {
    limiter: {
      decided(mode, seconds) {
        if (mode === 'store') latency.observe(seconds);
      },
      breaker: (open) => breaker.set(open ? 1 : 0),
    },
    limited({ admitted, mode, levels }) {
      if (mode === 'store' && admitted) admittedUntold += 1;
      else decisions.inc({ mode, outcome: admitted ? 'admitted' : 'refused' });
      // No level was asked.
      if (mode === 'closed') return;
      for (const level of levels) {
        const { policy } = level;
        if (!level.admitted) (level.shadow ? shadowed : refused).inc({ policy });
        if (level.remaining <= nearLimit * level.limit) near.inc({ policy });
      }
    },
  };
}

function auditMetrics(registers: Registry[]): AuditObserver {
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
    flushed(events, seconds) {
      flushSize.observe(events);
      flushTime.observe(seconds);
    },
    sequenced(records, oldestSeconds) {
      sequenced.inc(records);
      delay.observe(oldestSeconds);
    },
    spilled: (events) => waiting.set(events),
    cache: hitRate(registers, {
      counters: 'activity_cache',
      gauge: 'activity_cache_hit_rate',
      what: 'First activity pages',
    }),
  };
}

export function createMetrics(read: {
  auditDepth(): number;
  isSequencing(): boolean;
  poolWaiting(): number;
}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const stopDelay = eventLoopDelay(registers);

  const answers = createHistogram(registry, {
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
  const answersOf = (route: string, status: number): Series => {
    const ofRoute = byRoute.get(route) ?? new Map<number, Series>();
    byRoute.set(route, ofRoute);
    const series = answers({ route, status });
    ofRoute.set(status, series);
    return series;
  };
  const poolWait = new Histogram({
    name: 'pg_pool_wait_seconds',
    help: 'Wait for a connection of the pool',
    buckets: shortBuckets,
    registers,
  });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('audit_service_queue_depth', 'Audit events not yet committed', () => read.auditDepth());
  gauge('audit_sequencer_running', '1 while the sequencer beside this process runs', () =>
    read.isSequencing() ? 1 : 0,
  );
  gauge('pg_pool_waiting', 'Statements waiting for a connection', () => read.poolWaiting());

  return {
    registry,
    answered: (route, status, seconds) =>
      (byRoute.get(route)?.get(status) ?? answersOf(route, status)).observe(seconds),
    ...limiterMetrics(registry),
    poolWaited: (seconds) => poolWait.observe(seconds),
    sessions: sessionMetrics(registers),
    audit: auditMetrics(registers),
    auditWaited: (seconds) => auditWait.observe(seconds),
    close: stopDelay,
  };
}
