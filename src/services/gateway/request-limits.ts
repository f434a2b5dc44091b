/**
 * Asks the limiter for a request, and tells the client what it said. A refusal is thrown as a problem; the header
 * fields of every decision are on the answer by then. Leases go back when the answer has left or the connection is
 * gone, whichever is first; a login gives back what it took when it turns out to be somebody's.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Random } from '../ports.ts';
import type { Condition, Decision, Question, WhenDegraded } from '../rate-limit/contract.ts';
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

/** A session that could not be proven live. */
export interface Unproven {
  /** Redis may have counted the request already. */
  readonly unanswered: boolean;
  readonly tookMs: number;
}
const notAsked: Unproven = { unanswered: false, tookMs: 0 };

export interface RequestLimits {
  /** @throws ServiceError when refused, like all of these. */
  caller(
    reply: FastifyReply,
    asking: { caller: Caller; address: string; routeClass: string | undefined },
    whenDegraded: WhenDegraded,
    unproven?: Unproven,
  ): Promise<void>;
  /**
   * The same for a session that is live only while `proof` holds; `proven` is called when it was found to hold, before
   * anything is said or refused. Otherwise it resolves with what `caller` must know of the attempt.
   */
  recalled(
    reply: FastifyReply,
    asking: { caller: Caller; address: string; routeClass: string | undefined },
    proof: Condition,
    proven: () => void,
  ): Promise<Unproven | null>;
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
    return {
      caller: async () => {},
      recalled: async () => notAsked,
      address: async () => nothing,
      account: async () => nothing,
    };
  const { limiter } = limits;
  const tell = createTell({
    ...given,
    legacy: limits.kind === 'exact' && limits.design.legacyHeaders,
  });
  const ask = async (
    reply: FastifyReply,
    question: Question,
    whenDegraded: WhenDegraded,
    { unanswered, tookMs } = notAsked,
  ) => {
    const startedMs = performance.now() - tookMs;
    const decision = unanswered
      ? limiter.decideHere(question, whenDegraded)
      : await limiter.decide(question, whenDegraded);
    tell(reply, question, decision, startedMs);
    return decision;
  };
  const refundable = async (...asked: Parameters<typeof ask>) => {
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
    async caller(reply, { caller, ...asking }, whenDegraded, unproven) {
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
      await ask(reply, question, whenDegraded, unproven);
      if (!question.kept && question.levels.some(({ kind }) => kind === 'lease'))
        whenGone(reply.raw, () => limiter.release(question));
    },

    recalled(reply, { caller, ...asking }, proof, proven) {
      // With a lease it is another question each time, and a script that takes leases knows no conditions.
      const question =
        limits.kind === 'exact' ? questions.find(limits.limitsOf, caller, asking) : null;
      if (!question || question.levels.length === 0) return Promise.resolve(notAsked);
      const startedMs = performance.now();
      return limiter.decideWhile(question, proof).then((decision) => {
        if (typeof decision === 'string')
          return { unanswered: decision === 'unanswered', tookMs: performance.now() - startedMs };
        proven();
        tell(reply, question, decision, startedMs);
        return null;
      });
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

/** Says on the answer what was decided. @throws ServiceError when refused; the answer has its header fields by then. */
function createTell(given: {
  metrics: Pick<Metrics, 'limited'>;
  random: Random;
  legacy: boolean;
  evidence: boolean;
}) {
  /** On the answer already: a login is asked about twice. */
  const told = new WeakMap<FastifyReply, Decision['levels']>();
  return (reply: FastifyReply, question: Question, decision: Decision, startedMs: number): void => {
    given.metrics.limited(decision);
    if (given.evidence && !reply.hasHeader(evidenceHeader))
      reply.header(evidenceHeader, evidenceOf(decision, (performance.now() - startedMs) * 1_000));
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
