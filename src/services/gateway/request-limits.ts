/**
 * Asks the limiter for a request, and tells the client what it said. A refusal is thrown as a problem; the header
 * fields of every decision are on the answer by then. Leases go back when the answer has left or the connection is
 * gone, whichever is first; a login gives back what it took when it turns out to be somebody's.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Random } from '../ports.ts';
import type { Decision, Limiter, Question, WhenDegraded } from '../rate-limit/contract.ts';
import { limitHeaders } from '../rate-limit/headers.ts';
import { evidenceOf, refusalOf } from './limit-answer.ts';
import type { Limits } from './limit-services.ts';
import type { Metrics } from './metrics.ts';
import {
  accountQuestion,
  addressQuestion,
  bucketQuestion,
  type Caller,
  callerQuestion,
  createKeptQuestions,
} from './question.ts';

const evidenceHeader = 'x-limit-decision';

/** Takes back what was counted; never rejects. */
export type Refund = () => Promise<void>;

export interface RequestLimits {
  /** @throws ServiceError when refused, like all of these. */
  caller(
    reply: FastifyReply,
    asking: { caller: Caller; address: string; routeClass: string | undefined },
    whenDegraded: WhenDegraded,
  ): Promise<void>;
  address(
    reply: FastifyReply,
    policy: 'login' | 'register' | 'unauthenticated',
    asking: { address: string; whenDegraded: WhenDegraded },
  ): Promise<Refund>;
  account(
    reply: FastifyReply,
    asking: { email: string; address: string; whenDegraded: WhenDegraded },
  ): Promise<Refund>;
}

const nothing: Refund = async () => {};

export function createRequestLimits(given: {
  limits: Limits;
  metrics: Pick<Metrics, 'limited'>;
  random: Random;
  /** Every limited answer says what was decided and when. */
  evidence: boolean;
}): RequestLimits {
  const { limits } = given;
  if (limits.kind === 'off')
    return { caller: async () => {}, address: async () => nothing, account: async () => nothing };
  const { limiter } = limits;
  const ask = createAsk({
    ...given,
    limiter,
    legacy: limits.kind === 'exact' && limits.design.legacyHeaders,
  });
  const refundable = async (...asked: Parameters<Ask>) => {
    const decision = await ask(...asked);
    return () => limiter.refund(asked[1], decision);
  };
  const questions = createKeptQuestions(limits.kind === 'exact' ? limits.design : null);
  // Request ids may be the client's; lease ids are ours alone.
  const incarnation = given.random.uuid();
  let leases = 0;
  const newLease = () => {
    leases += 1;
    return `${incarnation}:${leases}`;
  };

  return {
    async caller(reply, { caller, ...asking }, whenDegraded) {
      const question =
        limits.kind === 'buckets'
          ? bucketQuestion(limits.design, caller)
          : (questions.find(limits.limitsOf, caller, asking) ??
            callerQuestion(limits.design, limits.limitsOf, {
              ...asking,
              caller,
              leaseId: newLease(),
            }));
      if (!question || question.levels.length === 0) return;
      await ask(reply, question, whenDegraded);
      if (!question.kept && question.levels.some(({ kind }) => kind === 'lease'))
        whenGone(reply.raw, () => limiter.release(question));
    },

    async address(reply, policy, { address, whenDegraded }) {
      if (limits.kind !== 'exact') return nothing;
      return refundable(reply, addressQuestion(limits.design, policy, address), whenDegraded);
    },

    async account(reply, { whenDegraded, ...login }) {
      if (limits.kind !== 'exact') return nothing;
      return refundable(reply, accountQuestion(limits.design, login), whenDegraded);
    },
  };
}

type Ask = (
  reply: FastifyReply,
  question: Question,
  whenDegraded: WhenDegraded,
) => Promise<Decision>;

/** @throws ServiceError when refused; the answer has its header fields by then. */
function createAsk(given: {
  limiter: Limiter;
  metrics: Pick<Metrics, 'limited'>;
  random: Random;
  legacy: boolean;
  evidence: boolean;
}): Ask {
  /** On the answer already: a login is asked about twice. */
  const told = new WeakMap<FastifyReply, Decision['levels']>();
  return async (reply, question, whenDegraded) => {
    const startedMs = performance.now();
    const decision = await given.limiter.decide(question, whenDegraded);
    const tookUs = (performance.now() - startedMs) * 1_000;
    given.metrics.limited(decision);
    if (given.evidence && !reply.hasHeader(evidenceHeader))
      reply.header(evidenceHeader, evidenceOf(decision, tookUs));
    const refusal = refusalOf(decision);
    if (decision.mode !== 'closed') {
      const { kept } = question;
      // Without Redis less is allowed than the question says.
      const asAsked = decision.mode === 'store' ? kept : undefined;
      const before = kept ? undefined : told.get(reply);
      const levels = before ? [...before, ...decision.levels] : decision.levels;
      // A question that is kept is the only one of its request.
      if (!kept) told.set(reply, levels);
      const random = refusal ? fraction(given.random) : 0;
      reply.headers(
        limitHeaders(
          { admitted: decision.admitted, levels },
          { legacy: given.legacy, random, kept: asAsked },
        ),
      );
    }
    if (refusal) throw refusal;
    return decision;
  };
}

const fraction = (random: Random) => random.bytes(4).readUInt32BE() / 2 ** 32;

/** `close` comes once, after the last byte or when the connection is lost; it may have come while we were asking. */
export function whenGone(
  response: Pick<ServerResponse, 'closed' | 'once'>,
  work: () => Promise<void>,
): void {
  if (response.closed) void work();
  else response.once('close', () => void work());
}
