/**
 * The exact limiter: decides in Redis while it may. When Redis is slow, unreachable or has lost its data, a route gets an
 * exact degraded share of its limits in this process, or a refusal, at once. Only decisions in flight when Redis was lost
 * wait, `redisTimeoutMs` at most. degraded.ts says why no window ever holds much more than its limit.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { createBatcher } from '../batcher.ts';
import type { ExactLimitsDesign } from '../design.ts';
import type { Clock, Random, TransactionalDatabase } from '../ports.ts';
import { createRedisLink, type RedisLink, RedisUnavailable } from '../redis-link.ts';
import type {
  Decision,
  Limiter,
  LimiterObserver,
  LimitRequest,
  OnLimiterDown,
} from './contract.ts';
import { createLocalLimiter, type LocalDecision } from './local-limiter.ts';
import { createMembership } from './membership.ts';
import { createPermission, type Permission } from './permission.ts';
import type { ConditionalRequest } from './store.ts';

/** Beyond this many in flight, requests are decided without Redis: a slow Redis must not fill the memory. */
const MAX_IN_FLIGHT = 5_000;
/** A script of 32 holds Redis for less than a millisecond; the second in flight hides the round trip. */
const batching = { maxBatchSize: 32, maxConcurrency: 2 };
/** How long `start` waits for a Redis grant. */
const START_TIMEOUT_MS = 1_000;

/** Rejects when Redis fails. */
interface DecisionStore {
  decideBatch(requests: readonly LimitRequest[]): Promise<readonly Decision[]>;
  decideBatchIf(requests: readonly ConditionalRequest[]): Promise<readonly (Decision | null)[]>;
  release(request: LimitRequest): Promise<void>;
  refund(request: LimitRequest, decision: Decision): Promise<void>;
}

export function createLimiter(options: {
  store: DecisionStore;
  /** The store's connection, which nothing else uses; see openLimitRedis. */
  redis: Redis;
  /** Connections that nothing else can keep busy. */
  db: TransactionalDatabase;
  /** Unique among the processes that run at one time. */
  name: string;
  clock: Clock;
  random: Random;
  design: Pick<ExactLimitsDesign, 'windowMs' | 'degraded'>;
  observer: LimiterObserver;
}): Limiter {
  const { clock, observer } = options;
  const { degraded, windowMs } = options.design;
  const permission = createPermission(windowMs);
  const localLimiter = createLocalLimiter();
  const localDecisions = new WeakMap<Decision, LocalDecision>();

  const link = createRedisLink({
    redis: options.redis,
    breakerOpenMs: degraded.breakerOpenMs,
    timeoutMs: degraded.redisTimeoutMs,
    onBreaker(isOpen) {
      observer.onBreaker(isOpen);
      if (!isOpen) membership.pollNow();
    },
  });
  const membership = createMembership({
    ...options,
    windowMs,
    refreshMs: degraded.refreshMs,
    monotonicMs,
    permission,
    runId: link.runId,
    onError: observer.onError,
  });
  const store = createGuardedStore({ store: options.store, link, permission, observer });

  const decideByDegradedShare = (request: LimitRequest): Decision => {
    const nowMs = monotonicMs();
    const { quotaShare, expanded } = permission.localQuota(nowMs);
    const quota = {
      quotaShare,
      limitFactor: expanded ? quotaShare : quotaShare * degraded.share,
    };
    const outcome = localLimiter.decide(request, quota, Math.floor(nowMs * 1_000));
    if (outcome.admitted) permission.recordLocalAdmission(nowMs);
    const { admitted, levels } = outcome;
    const decision: Decision = { admitted, atUs: clock.nowUs(), mode: 'share', levels };
    localDecisions.set(decision, outcome);
    return decision;
  };

  const decideWithoutStore = (request: LimitRequest, onLimiterDown: OnLimiterDown) =>
    onLimiterDown === 'share' ? decideByDegradedShare(request) : refuse(request, options);

  return {
    async start() {
      await membership.start();
      const untilMs = monotonicMs() + START_TIMEOUT_MS;
      while (!store.mayUse() && monotonicMs() < untilMs) await delay(5);
    },
    async decide(request, onLimiterDown) {
      const startedMs = monotonicMs();
      const stored = store.hasRoom() ? await store.decide(request) : null;
      const decision = stored ?? decideWithoutStore(request, onLimiterDown);
      observer.onDecision(decision.mode, (monotonicMs() - startedMs) / 1_000);
      return decision;
    },
    decideIf: (request, condition) =>
      store.hasRoom()
        ? store.decideIf({ request, condition, startedMs: monotonicMs() })
        : Promise.resolve('unmet'),
    decideLocally(request, onLimiterDown) {
      const decision = decideWithoutStore(request, onLimiterDown);
      observer.onDecision(decision.mode, 0);
      return decision;
    },
    async release(request) {
      localLimiter.release(request);
      // Also when the slot was taken locally: Redis may have counted it before its answer was lost.
      if (request.levels.some(({ kind }) => kind === 'lease')) await store.release(request);
    },
    async refund(request, decision) {
      if (!decision.admitted) return;
      const localDecision = localDecisions.get(decision);
      if (localDecision) localDecision.refund();
      else if (decision.mode === 'store') await store.refund(request, decision);
    },
    async close() {
      await membership.close();
      link.close();
    },
  };
}

const monotonicMs = () => performance.now();

/** The store in batches, used only while this process has the grant for the Redis process behind the link. */
function createGuardedStore(options: {
  store: DecisionStore;
  link: RedisLink;
  permission: Permission;
  observer: LimiterObserver;
}) {
  const { store, link, permission, observer } = options;
  let inFlight = 0;
  let lastReported = '';

  const mayUse = () => permission.mayUseRedis(link.runId(), monotonicMs());

  /** Only error replies: the connection reports by itself that Redis is unreachable. */
  const reportOnce = (error: Error) => {
    const cause = error instanceof RedisUnavailable ? (error.cause as Error) : error;
    if (cause.name !== 'ReplyError' || cause.message === lastReported) return;
    lastReported = cause.message;
    observer.onError(cause);
  };

  /** Null when Redis did not answer, or may not be used. */
  const call = async <Result>(
    count: number,
    work: () => Promise<readonly Result[]>,
  ): Promise<readonly Result[] | null> => {
    const runId = link.runId();
    if (!mayUse()) return null;
    inFlight += count;
    try {
      const results = await link.run(work);
      const nowMs = monotonicMs();
      if (!permission.mayUseRedis(runId, nowMs)) return null;
      permission.recordRedisUse(nowMs);
      lastReported = '';
      return results;
    } catch (error) {
      reportOnce(error as Error);
      return null;
    } finally {
      inFlight -= count;
    }
  };
  /** For what is only given back: without the call it expires by itself. */
  const callBestEffort = (work: () => Promise<void>) =>
    mayUse() ? link.run(work).catch(reportOnce) : Promise.resolve();

  return {
    mayUse,
    hasRoom: () => mayUse() && inFlight < MAX_IN_FLIGHT,
    decide: createBatcher<LimitRequest, Decision | null>({
      ...batching,
      sendBatch: async (requests) =>
        (await call(requests.length, () => store.decideBatch(requests))) ??
        requests.map(() => null),
    }),
    decideIf: createBatcher<
      ConditionalRequest & { startedMs: number },
      Decision | 'unmet' | 'unanswered'
    >({
      ...batching,
      async sendBatch(requests) {
        const runId = link.runId();
        // Redis was restarted meanwhile: the condition is about the process before.
        if (requests.some(({ condition }) => condition.runId !== runId))
          return requests.map(() => 'unmet' as const);
        const decisions = await call(requests.length, () => store.decideBatchIf(requests));
        if (!decisions) return requests.map(() => 'unanswered' as const);
        const nowMs = monotonicMs();
        return decisions.map((decision, i) => {
          if (!decision) return 'unmet';
          observer.onDecision('store', (nowMs - requests[i]!.startedMs) / 1_000);
          return decision;
        });
      },
    }),
    release: (request: LimitRequest) => callBestEffort(() => store.release(request)),
    refund: (request: LimitRequest, decision: Decision) =>
      callBestEffort(() => store.refund(request, decision)),
  };
}

function refuse(
  request: LimitRequest,
  { clock, design }: { clock: Clock; design: Pick<ExactLimitsDesign, 'degraded'> },
): Decision {
  const level = {
    policy: request.levels[0]?.policy ?? '',
    admitted: false,
    shadow: false,
    limit: 0,
    windowMs: 0,
    remaining: 0,
    resetUs: design.degraded.breakerOpenMs * 1_000,
  };
  return { admitted: false, atUs: clock.nowUs(), mode: 'closed', levels: [level] };
}
