/**
 * Decides the limits of a request and writes the decision's header fields on the response. A refusal is thrown as a
 * problem after the fields are written. Concurrency slots are released when the response was sent or the connection is
 * lost, whichever is first; refunds.ts says when units are given back.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { type Random, type ThrottleRead, unthrottled } from '../../ports.ts';
import type {
  Condition,
  Decision,
  LimitRequest,
  OnLimiterDown,
} from '../../rate-limit/contract.ts';
import { limitHeaders } from '../../rate-limit/headers.ts';
import type { Metrics } from '../metrics.ts';
import { createFailureLimits } from './failure-limits.ts';
import {
  type AddressPolicy,
  accountLimitRequest,
  addressLimitRequest,
  bucketLimitRequest,
  createLimitRequestCache,
  type LimitContext,
  type PasswordCheck,
  principalLimitRequest,
} from './limit-request.ts';
import { evidenceOf, refusalOf } from './limit-response.ts';
import type { Limits } from './limit-services.ts';
import { noRefund, type Refund } from './refunds.ts';

const EVIDENCE_HEADER = 'x-limit-decision';

/** The local cache had no session, or Redis did not prove that it is live. */
export interface CacheMiss {
  /** Redis did not answer, so it may have counted the request. */
  readonly isUnanswered: boolean;
  readonly tookMs: number;
}
const notAttempted: CacheMiss = { isUnanswered: false, tookMs: 0 };

type PrincipalContext = Omit<LimitContext, 'slotId'>;

export interface RequestLimits {
  /** @throws ServiceError when refused, like all of these. */
  limitPrincipal(
    reply: FastifyReply,
    context: PrincipalContext,
    onLimiterDown: OnLimiterDown,
    cacheMiss?: CacheMiss,
  ): Promise<Refund>;
  /**
   * The same for a session that is live only while `proof` holds. `onProven` is called when it holds, before headers are
   * written or a refusal is thrown. Otherwise resolves with the `cacheMiss` that `limitPrincipal` needs.
   */
  limitFromLocalCache(
    reply: FastifyReply,
    context: PrincipalContext,
    proof: Condition,
    onProven: (refund: Refund) => void,
  ): Promise<CacheMiss | null>;
  limitAddress(
    reply: FastifyReply,
    policy: AddressPolicy,
    context: { address: string; onLimiterDown: OnLimiterDown },
  ): Promise<Refund>;
  limitAccount(
    reply: FastifyReply,
    context: PasswordCheck & { onLimiterDown: OnLimiterDown },
  ): Promise<Refund>;
  /** For the reads that a credential from this address causes; failures are counted by `limitAddress`. */
  throttleReads(reply: FastifyReply, address: string): ThrottleRead;
  /** Its reads are refused unless a failure has expired meanwhile. */
  isFailureBudgetSpent(address: string): boolean;
}

export function createRequestLimits(given: {
  limits: Limits;
  metrics: Pick<Metrics, 'countDecision'>;
  random: Random;
  /** Every limited response says what was decided and when, decision by decision. */
  evidence: boolean;
}): RequestLimits {
  const { limits } = given;
  if (limits.kind === 'off')
    return {
      limitPrincipal: async () => noRefund,
      limitFromLocalCache: async () => notAttempted,
      limitAddress: async () => noRefund,
      limitAccount: async () => noRefund,
      throttleReads: () => unthrottled,
      isFailureBudgetSpent: () => false,
    };
  const { limiter } = limits;
  const writeLimitHeaders = createLimitHeaderWriter({
    ...given,
    legacy: limits.kind === 'exact' && limits.design.legacyHeaders,
  });
  const decide = async (
    reply: FastifyReply,
    limitRequest: LimitRequest,
    onLimiterDown: OnLimiterDown,
    { isUnanswered, tookMs } = notAttempted,
  ) => {
    const startedMs = performance.now() - tookMs;
    const decision = isUnanswered
      ? limiter.decideLocally(limitRequest, onLimiterDown)
      : await limiter.decide(limitRequest, onLimiterDown);
    writeLimitHeaders(reply, limitRequest, decision, startedMs);
    return decision;
  };
  const decideRefundable = async (
    reply: FastifyReply,
    limitRequest: LimitRequest,
    onLimiterDown: OnLimiterDown,
  ): Promise<Refund> => {
    const decision = await decide(reply, limitRequest, onLimiterDown);
    return () => limiter.refund(limitRequest, decision);
  };
  const { cached, create } = createPrincipalRequests(limits, given.random);
  const failures = limits.kind === 'exact' ? createFailureLimits(limits, writeLimitHeaders) : null;

  return {
    async limitPrincipal(reply, context, onLimiterDown, cacheMiss) {
      const limitRequest = cached(context) ?? create(context);
      if (!limitRequest || limitRequest.levels.length === 0) return noRefund;
      const decision = await decide(reply, limitRequest, onLimiterDown, cacheMiss);
      if (!limitRequest.cached && limitRequest.levels.some(({ kind }) => kind === 'lease'))
        onceClosed(reply.raw, () => limiter.release(limitRequest));
      return () => limiter.refund(limitRequest, decision);
    },

    limitFromLocalCache(reply, context, proof, onProven) {
      // A request with slots is not cached, and the script that takes slots cannot check conditions.
      const limitRequest = cached(context);
      if (!limitRequest || limitRequest.levels.length === 0) return Promise.resolve(notAttempted);
      const startedMs = performance.now();
      return limiter.decideIf(limitRequest, proof).then((decision) => {
        if (typeof decision === 'string')
          return {
            isUnanswered: decision === 'unanswered',
            tookMs: performance.now() - startedMs,
          };
        onProven(() => limiter.refund(limitRequest, decision));
        writeLimitHeaders(reply, limitRequest, decision, startedMs);
        return null;
      });
    },

    async limitAddress(reply, policy, { address, onLimiterDown }) {
      if (limits.kind !== 'exact') return noRefund;
      if (failures && policy === 'unauthenticated') return failures.count(reply, address);
      const limitRequest = addressLimitRequest(limits.design, policy, address);
      return decideRefundable(reply, limitRequest, onLimiterDown);
    },

    async limitAccount(reply, { onLimiterDown, ...check }) {
      if (limits.kind !== 'exact') return noRefund;
      const limitRequest = accountLimitRequest(limits.design, check);
      return decideRefundable(reply, limitRequest, onLimiterDown);
    },

    throttleReads: (reply, address) => failures?.throttle(reply, address) ?? unthrottled,
    isFailureBudgetSpent: (address) => failures?.isSpent(address) ?? false,
  };
}

/** Limit requests of sessions and keys; null where none is cached, or nothing limits the principal. */
function createPrincipalRequests(limits: Exclude<Limits, { kind: 'off' }>, random: Random) {
  if (limits.kind === 'buckets')
    return {
      cached: () => null,
      create: ({ principal }: PrincipalContext) => bucketLimitRequest(limits.design, principal),
    };
  const { design, limitsOf } = limits;
  const cache = createLimitRequestCache(design);
  // A request id may come from the client; a slot id must be unique.
  const processId = random.uuid();
  let slots = 0;
  return {
    cached: (context: PrincipalContext) => cache.find(limitsOf, context),
    create(context: PrincipalContext) {
      slots += 1;
      const slotId = `${processId}:${slots}`;
      return principalLimitRequest(design, limitsOf, { ...context, slotId });
    },
  };
}

/** Writes the decision on the response. @throws ServiceError when refused, after the header fields are written. */
function createLimitHeaderWriter(given: {
  metrics: Pick<Metrics, 'countDecision'>;
  random: Random;
  legacy: boolean;
  evidence: boolean;
}) {
  /** Levels already on the response: a login is decided twice. */
  const sent = new WeakMap<FastifyReply, Decision['levels']>();
  return (
    reply: FastifyReply,
    { cached }: LimitRequest,
    decision: Decision,
    startedMs: number,
  ): void => {
    given.metrics.countDecision(decision);
    if (given.evidence) {
      const evidence = evidenceOf(decision, (performance.now() - startedMs) * 1_000);
      const earlier = reply.getHeader(EVIDENCE_HEADER);
      reply.header(EVIDENCE_HEADER, earlier === undefined ? evidence : `${earlier}, ${evidence}`);
    }
    const refusal = refusalOf(decision);
    if (decision.mode !== 'closed') {
      // A cached limit request is the only one of its HTTP request.
      const before = cached ? undefined : sent.get(reply);
      const levels = before ? [...before, ...decision.levels] : decision.levels;
      if (!cached) sent.set(reply, levels);
      reply.headers(
        limitHeaders(
          { admitted: decision.admitted, levels },
          {
            legacy: given.legacy,
            random: refusal ? fraction(given.random) : 0,
            // Without Redis the quota is smaller than the one whose header field is cached.
            cached: decision.mode === 'store' ? cached : undefined,
          },
        ),
      );
    }
    if (refusal) throw refusal;
  };
}

const fraction = (random: Random) => random.bytes(4).readUInt32BE() / 2 ** 32;

/** `close` comes once, after the last byte or when the connection is lost; it may have come before this is called. */
export function onceClosed(
  response: Pick<ServerResponse, 'closed' | 'once'>,
  callback: () => Promise<void>,
): void {
  if (response.closed) void callback();
  else response.once('close', () => void callback());
}
