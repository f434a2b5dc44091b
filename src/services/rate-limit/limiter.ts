/**
 * Limits kept in Redis, and what happens when it is slow, gone or has forgotten: a route gets a small exact share of
 * this process, or a refusal, at once. Only decisions that were on their way to Redis when it was lost have waited,
 * `redisTimeoutMs` at most. degraded.ts says why no window ever holds much more than its limit.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { ExactLimitsDesign } from '../design.ts';
import type { Clock, Random, TransactionalDatabase } from '../ports.ts';
import { createRedisLink, RedisUnavailable } from '../redis-link.ts';
import { createTogether } from '../together.ts';
import type { Decision, Limiter, LimiterObserver, Question, WhenDegraded } from './contract.ts';
import { createLocalShare, type LocalDecision } from './local-share.ts';
import { createMembers } from './members.ts';
import { createStanding } from './standing.ts';
import type { Conditional } from './store.ts';

/** One more than this waiting for Redis is decided here: a slow Redis must not fill the memory. */
const maxInFlight = 5_000;
/** Few enough in one script that others do not wait for a millisecond, and always one script more on its way. */
const together = { most: 32, atOnce: 2 };
/** How long the first decision waits for Redis to be found. */
const startLimitMs = 1_000;

/** Rejects when Redis fails. */
interface AskableStore {
  askAll(questions: readonly Question[]): Promise<readonly Decision[]>;
  askAllWhile(asked: readonly Conditional[]): Promise<readonly (Decision | null)[]>;
  release(question: Question): Promise<void>;
  refund(question: Question, decision: Decision): Promise<void>;
}

export function createLimiter(given: {
  store: AskableStore;
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
  const { store, clock, observer } = given;
  const { degraded, windowMs } = given.design;
  const monotonicMs = () => performance.now();
  const standing = createStanding(windowMs);
  const local = createLocalShare();
  const receipts = new WeakMap<Decision, LocalDecision>();
  let inFlight = 0;
  let told = '';

  const link = createRedisLink({
    redis: given.redis,
    breakerOpenMs: degraded.breakerOpenMs,
    timeoutMs: degraded.redisTimeoutMs,
    onBreaker(open) {
      observer.breaker(open);
      if (!open) members.hurry();
    },
  });
  const members = createMembers({
    ...given,
    windowMs,
    refreshMs: degraded.refreshMs,
    monotonicMs,
    standing,
    runId: link.runId,
    report: observer.report,
  });

  /** Null when Redis did not answer, or may not be asked. */
  const askStore = async <Answer>(
    count: number,
    ask: () => Promise<readonly Answer[]>,
  ): Promise<readonly Answer[] | null> => {
    const runId = link.runId();
    if (!canAsk()) return null;
    inFlight += count;
    try {
      const answers = await link.run(ask);
      const nowMs = monotonicMs();
      if (!standing.mayAsk(runId, nowMs)) return null;
      standing.asked(nowMs);
      told = '';
      return answers;
    } catch (error) {
      tell(error as Error);
      return null;
    } finally {
      inFlight -= count;
    }
  };
  const byStore = createTogether<Question, Decision | null>({
    ...together,
    askAll: async (questions) =>
      (await askStore(questions.length, () => store.askAll(questions))) ??
      questions.map(() => null),
  });
  const byStoreWhile = createTogether<
    Conditional & { askedMs: number },
    Decision | 'unmet' | 'unanswered'
  >({
    ...together,
    async askAll(asked) {
      const runId = link.runId();
      // Redis began anew meanwhile: what the condition says is of the one before.
      if (asked.some(({ condition }) => condition.runId !== runId))
        return asked.map(() => 'unmet' as const);
      const decisions = await askStore(asked.length, () => store.askAllWhile(asked));
      if (!decisions) return asked.map(() => 'unanswered' as const);
      const nowMs = monotonicMs();
      return decisions.map((decision, i) => {
        if (!decision) return 'unmet';
        observer.decided('store', (nowMs - asked[i]!.askedMs) / 1_000);
        return decision;
      });
    },
  });

  /** That Redis is gone is the connection's to say. That it refuses what we ask is nobody else's. */
  const tell = (error: Error) => {
    const cause = error instanceof RedisUnavailable ? (error.cause as Error) : error;
    if (cause.name !== 'ReplyError' || cause.message === told) return;
    told = cause.message;
    observer.report(cause);
  };

  const byShare = (question: Question): Decision => {
    const nowMs = monotonicMs();
    const { part, grown } = standing.local(nowMs);
    const by = { part, factor: grown ? part : part * degraded.share };
    const outcome = local.decide(question, by, Math.floor(nowMs * 1_000));
    if (outcome.admitted) standing.admitted(nowMs);
    const { admitted, levels } = outcome;
    const decision: Decision = { admitted, atUs: clock.nowUs(), mode: 'share', levels };
    receipts.set(decision, outcome);
    return decision;
  };

  const here = (question: Question, whenDegraded: WhenDegraded) =>
    whenDegraded === 'share' ? byShare(question) : closed(question, given);

  const canAsk = () => standing.mayAsk(link.runId(), monotonicMs());
  /** Of what is only given back: it ends by itself. */
  const tryStore = (work: () => Promise<void>) =>
    canAsk() ? link.run(work).catch(tell) : Promise.resolve();

  return {
    async start() {
      await members.start();
      const untilMs = monotonicMs() + startLimitMs;
      while (!canAsk() && monotonicMs() < untilMs) await delay(5);
    },
    async decide(question, whenDegraded) {
      const startedMs = monotonicMs();
      const asked = canAsk() && inFlight < maxInFlight ? await byStore(question) : null;
      const decision = asked ?? here(question, whenDegraded);
      observer.decided(decision.mode, (monotonicMs() - startedMs) / 1_000);
      return decision;
    },
    decideWhile: (question, condition) =>
      canAsk() && inFlight < maxInFlight
        ? byStoreWhile({ question, condition, askedMs: monotonicMs() })
        : Promise.resolve('unmet'),
    decideHere(question, whenDegraded) {
      const decision = here(question, whenDegraded);
      observer.decided(decision.mode, 0);
      return decision;
    },
    async release(question) {
      local.release(question);
      // Also when it was held here: an answer that was lost may have left it there.
      if (question.levels.some(({ kind }) => kind === 'lease'))
        await tryStore(() => store.release(question));
    },
    async refund(question, decision) {
      if (!decision.admitted) return;
      const receipt = receipts.get(decision);
      if (receipt) receipt.refund();
      else if (decision.mode === 'store') await tryStore(() => store.refund(question, decision));
    },
    async close() {
      await members.close();
      link.close();
    },
  };
}

function closed(
  question: Question,
  { clock, design }: { clock: Clock; design: Pick<ExactLimitsDesign, 'degraded'> },
): Decision {
  const level = {
    policy: question.levels[0]?.policy ?? '',
    admitted: false,
    shadow: false,
    limit: 0,
    windowMs: 0,
    remaining: 0,
    resetUs: design.degraded.breakerOpenMs * 1_000,
  };
  return { admitted: false, atUs: clock.nowUs(), mode: 'closed', levels: [level] };
}
