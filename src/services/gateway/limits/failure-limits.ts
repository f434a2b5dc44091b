/**
 * Invalid credentials, by address. Each is counted when it has failed. Once those that the database was read for have used
 * up the address's failures, the next one is counted before it is read for, and given back if it is found after all.
 * Malformed ones, for which nothing is read, bring no address to that point.
 */
import type { FastifyReply } from 'fastify';
import type { ThrottleRead } from '../../ports.ts';
import type { Decision, LimitRequest } from '../../rate-limit/contract.ts';
import { createFailureBudget } from './failure-budget.ts';
import { addressLimitRequest } from './limit-request.ts';
import type { Limits } from './limit-services.ts';
import { noRefund, type Refund } from './refunds.ts';

/** @throws ServiceError when refused. */
type WriteLimitHeaders = (
  reply: FastifyReply,
  limitRequest: LimitRequest,
  decision: Decision,
  startedMs: number,
) => void;

export function createFailureLimits(
  { limiter, design }: Extract<Limits, { kind: 'exact' }>,
  writeLimitHeaders: WriteLimitHeaders,
) {
  const budget = createFailureBudget({
    limit: design.anonymous.unauthenticated,
    windowMs: design.anonymous.windowMs,
    monotonicMs: () => performance.now(),
  });
  /** Of requests whose read found nothing: counted before it, or still to be counted. */
  const prepaid = new WeakMap<FastifyReply, () => void>();
  const unknown = new WeakSet<FastifyReply>();

  const decide = async (reply: FastifyReply, address: string) => {
    const startedMs = performance.now();
    const limitRequest = addressLimitRequest(design, 'unauthenticated', address);
    const decision = await limiter.decide(limitRequest, 'share');
    const answer = () => writeLimitHeaders(reply, limitRequest, decision, startedMs);
    return { limitRequest, decision, answer };
  };

  const decideRead = async (reply: FastifyReply, address: string) => {
    const decided = await decide(reply, address);
    const { mode, levels } = decided.decision;
    budget.recordFailure(address, mode === 'store' ? (levels[0]?.remaining ?? 0) : null);
    return decided;
  };

  const markUnknown = (reply: FastifyReply, paid: { answer(): void } | null) => {
    if (paid) prepaid.set(reply, paid.answer);
    else unknown.add(reply);
  };

  return {
    isSpent: budget.isSpent,
    async count(reply: FastifyReply, address: string): Promise<Refund> {
      const count = unknown.has(reply) ? decideRead : decide;
      const answer = prepaid.get(reply) ?? (await count(reply, address)).answer;
      answer();
      return noRefund;
    },
    throttle:
      (reply: FastifyReply, address: string): ThrottleRead =>
      async (read) => {
        const leave = await budget.enter(address);
        try {
          const paid = budget.isSpent(address) ? await decideRead(reply, address) : null;
          if (paid && !paid.decision.admitted) paid.answer();
          const giveBack = () => paid && limiter.refund(paid.limitRequest, paid.decision);
          try {
            const found = await read();
            if (found === null || found === undefined) markUnknown(reply, paid);
            else await giveBack();
            return found;
          } catch (error) {
            await giveBack();
            throw error;
          }
        } finally {
          leave();
        }
      },
  };
}
