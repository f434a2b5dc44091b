/**
 * The kill matrix of limits: limiters with one defect each on real Redis, four members, a seeded concurrent load.
 * Of the invariants of turns 2 and 5, the one the defect names must fail. Without a defect all pass. All variants run
 * concurrently, each with its own keys.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decision, Level, LimitRequest } from '../../services/rate-limit/contract.ts';
import { createLimitStore } from '../../services/rate-limit/store.ts';
import { ownRedis } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import { countByCheck, killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import type { Invariant } from '../../sim/scenario.ts';
import {
  agentsFair,
  noFalseRefusals,
  retryAfterHonest,
  windowExact,
} from '../invariants/limit-invariants.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import { limitDefects } from './fixtures/limit-defects.ts';
import { createMember, type LimitDefect } from './fixtures/limit-variants.ts';
import {
  type LimitCall,
  LimitWorkload,
  limitConfig,
  type Member,
  planCalls,
} from './fixtures/limit-workload.ts';

const MEMBERS = 4;
const WINDOWS = 4;
/** A race may not show with one seed; a defect that three seeds do not show is not caught. */
const seeds = [1, 2, 3];

const server = ownRedis('kill-limits');
let connections: Redis[];

beforeAll(async () => {
  connections = Array.from({ length: MEMBERS }, () => new Redis(server.url));
});
afterAll(async () => {
  for (const connection of connections ?? []) connection.disconnect();
});

const { limit, windowMs } = limitConfig;
const byUser = { subjectOf: ({ user }: { user: string }) => user, limit, windowMs };
const invariants: readonly Invariant[] = [
  windowExact({ ...byUser, operations: ['read'] }),
  noFalseRefusals({ ...byUser, operations: ['read'] }),
  windowExact({ ...byUser, id: 'weights-exact', operations: ['heavy'], weightOf: () => 5 }),
  noFalseRefusals({ ...byUser, id: 'levels-together', operations: ['small'], policy: 'user' }),
  noFalseRefusals({
    ...byUser,
    id: 'refunds',
    operations: ['login'],
    isRefunded: ({ outcome }) => outcome === 'ok',
  }),
  retryAfterHonest({ operations: ['patient'], subjectOf: ({ user }) => user, obeyed: 3 }),
  agentsFair({
    operations: ['ci'],
    agentOf: ({ user }) => ({
      agent: user,
      role: user.startsWith('x')
        ? 'invented'
        : user === `a${limitConfig.agents}`
          ? 'greedy'
          : 'honest',
    }),
    limit: limitConfig.share * (limitConfig.agents + 1),
    windowMs,
    mustHaveSeen: {
      honest: limitConfig.agents - 1,
      saturatedWindows: 2,
      contested: limitConfig.agents - 1,
    },
  }),
];

async function runWorkload(members: readonly Member[], seed: number): Promise<HistoryRecord[]> {
  const workload = new LimitWorkload(members, seed);
  const untilMs = WINDOWS * windowMs;
  await Promise.all([
    workload.run(planCalls(seed, WINDOWS)),
    ...['p1', 'p2', 'p3'].map((user) => workload.runPatientClient(user, untilMs)),
    ...['l1', 'l2'].map((user) => workload.runLogins(user, untilMs)),
  ]);
  return workload.records;
}

function membersWithDefect(defect: LimitDefect | null, seed: number): Member[] {
  const prefix = `${defect?.id ?? 'exact'}:${seed}:`;
  return connections.map((redis, index) => createMember({ redis, prefix, index, defect }));
}

/** The platform's own limiter as a member, with the same levels; the key is shared between its agents. */
function storeMember(given: { redis: Redis; prefix: string; index: number }): Member {
  const store = createLimitStore({ redis: given.redis, keyPrefix: given.prefix });
  const decisions = new Map<string, Decision>();
  return {
    name: `gateway.${given.index + 1}`,
    async decide(ask) {
      const decision = await store.decide(questionOf(ask));
      decisions.set(ask.requestId, decision);
      const { admitted, atUs, mode, levels } = decision;
      const refused = levels.filter((level) => !level.admitted);
      return {
        admitted,
        atUs,
        mode,
        refusedBy: refused.map(({ policy }) => policy),
        remaining: levels[0]!.remaining,
        resetUs: Math.max(...(admitted ? levels : refused).map(({ resetUs }) => resetUs)),
      };
    },
    refund: (ask) => store.refund(questionOf(ask), decisions.get(ask.requestId)!),
    retryAfter: (resetUs) => String(Math.max(1, Math.ceil(resetUs / 1_000_000))),
  };
}

function questionOf({ name, subject, weight }: LimitCall): LimitRequest {
  const common = { windowMs: limitConfig.windowMs, weight, shadow: false };
  if (name === 'ci') {
    const agent = Number(/^a(\d+)$/.exec(subject)?.[1] ?? 0);
    const limit = limitConfig.share * (limitConfig.agents + 1);
    const place = { kind: 'share' as const, agent, agents: limitConfig.agents };
    return { tag: 'o:1', levels: [{ ...common, ...place, policy: 'key', subject: 'ci', limit }] };
  }
  const window = { ...common, kind: 'window' as const };
  const own: Level = {
    ...window,
    policy: 'user',
    subject: `${name}:${subject}`,
    limit: limitConfig.limit,
  };
  if (name !== 'small') return { tag: `o:${subject}`, levels: [own] };
  const whole = { policy: 'organisation', subject: 'small', limit: limitConfig.organisation };
  return { tag: 'o:small', levels: [own, { ...window, ...whole }] };
}

describe('a limiter without a defect', () => {
  const own = () =>
    connections.map((redis, index) => storeMember({ redis, prefix: 'own:', index }));

  it.concurrent.each([
    ['the small one', () => membersWithDefect(null, 1)],
    ["the platform's own", own],
  ])('passes every invariant: %s', { timeout: 30_000 }, async (_, members) => {
    const history = await runWorkload(members(), 1);
    const answers = invariants.map(({ id, check }) => {
      const { verdict, reason, witness, figures } = check(history);
      return { id, verdict, reason, witness, figures };
    });
    expect(answers.filter(({ verdict }) => verdict !== 'pass')).toEqual([]);
  });
});

describe('a limiter with a planted defect', () => {
  it('is caught, every one', { timeout: 90_000 }, async () => {
    const caught = new Set<string>();
    const seen = new Map<string, string>();
    for (const seed of seeds) {
      const left = limitDefects.filter(({ id }) => !caught.has(id));
      await Promise.all(
        left.map(async (defect) => {
          const history = await runWorkload(membersWithDefect(defect, seed), seed);
          const named = invariants.find(({ id }) => id === defect.caughtBy)!;
          const { verdict, reason = '' } = named.check(history);
          seen.set(defect.id, `${verdict} ${reason}`);
          if (verdict === 'fail') caught.add(defect.id);
        }),
      );
    }
    const results = limitDefects.map((defect) => ({ ...defect, caught: caught.has(defect.id) }));
    console.log(killMatrixText('limits', results));
    expect(countByCheck(results)).toEqual(PLANTED_DEFECTS.limits);
    expect(
      limitDefects.filter(({ id }) => !caught.has(id)).map(({ id }) => [id, seen.get(id)]),
    ).toEqual([]);
  });
});
