/**
 * Seeded interleavings of logout, touch, renewal, password change, login and "revoke all", on four stores and real
 * PostgreSQL and Redis. Of every token the test knows when its end was acknowledged: a check that starts later must
 * refuse it (revived), in every process; and afterwards PostgreSQL and every process agree on every token (missed).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { ReadThroughDesign } from '../design.ts';
import { findDesign } from '../lineage.ts';
import type { CreatedSession } from '../sessions/contract.ts';
import { type Member, origin, startMember } from './fixtures/members.ts';
import { prepareSchema, schemaUrl, usersWithoutHistory } from './fixtures/platform.ts';

const seed = 20_261_121;
const rounds = 2_000;
const atOnce = 25;

const design = findDesign('turn1.after');
const given = design.sessions.store as ReadThroughDesign;
// Every check touches, so that touches are part of every interleaving.
const store: ReadThroughDesign = { ...given, touchEveryMs: 0 };
const size = usersWithoutHistory(rounds);

const { postgres, redis } = sharedStores('interleavings');
let members: Member[] = [];

beforeAll(async () => {
  await prepareSchema(postgres.url, { schema: 'interleavings', design, size });
  const databaseUrl = schemaUrl(postgres.url, 'interleavings');
  members = await Promise.all(
    [1, 2, 3, 4].map((n) =>
      startMember({
        name: `gateway.${n}`,
        databaseUrl,
        redisUrl: redis.url,
        keyPrefix: 'i:',
        design,
        store,
        pause,
        usesLocalCache: n > 2,
      }),
    ),
  );
});
afterAll(() => Promise.allSettled(members.map((member) => member.close())));

/** Half of the statements return a little late, so that rows have often changed when they are used. */
const lateness = randomOf(seed);
const pause = () => (lateness() < 0.5 ? Promise.resolve() : delay(lateness() * 6));

/** mulberry32: the order of a round is its number. */
function randomOf(start: number) {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function playRound(round: number): Promise<string[]> {
  const random = randomOf(seed + round);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const userId = String(round + 1);
  const tokens: CreatedSession[] = [];
  /** Tokens whose end was acknowledged. */
  const ended = new Set<string>();
  const wrong: string[] = [];

  const check = async (member: Member, { token }: CreatedSession) => {
    const wasEnded = ended.has(token);
    const accepted = await member.acceptAndTouch(token);
    if (wasEnded && accepted) wrong.push(`round ${round}: accepted after its end`);
  };
  const login = async (member: Member) => {
    try {
      tokens.push(await member.login(userId));
    } catch {
      // A password change came between; the round does without this session.
    }
  };
  const actions: Record<string, (member: Member, one: CreatedSession) => Promise<unknown>> = {
    check,
    again: check,
    login,
    async logout(member, one) {
      await member.store.end(one.token, origin);
      ended.add(one.token);
    },
    async renew(member, one) {
      const next = await member.store.renew(one.token, origin);
      if (!next) return;
      ended.add(one.token);
      tokens.push(next);
    },
    async password(member, one) {
      const known = tokens.map(({ token }) => token);
      const [row] = await member.db.query<{ hash: string }>({
        text: 'SELECT password_hash AS hash FROM users WHERE id = $1',
        values: [userId],
      });
      const change = { from: row!.hash, to: `${round}:${random()}` };
      const next = await member.store.changePassword(one.session, change, origin);
      if (!next) return;
      for (const token of known) ended.add(token);
      tokens.push(next);
    },
    async all(member) {
      const known = tokens.map(({ token }) => token);
      await member.store.revokeAll(userId, { id: userId, reason: 'all' }, origin);
      for (const token of known) ended.add(token);
    },
    async others(member, one) {
      const known = tokens.map(({ token }) => token).filter((token) => token !== one.token);
      await member.store.revokeOthers(one.session, origin);
      for (const token of known) ended.add(token);
    },
  };

  await login(pick(members));
  if (random() < 0.5) await login(pick(members));
  await Promise.all(tokens.map((one) => check(pick(members), one)));
  const names = Object.keys(actions);
  const plan = Array.from({ length: 5 }, () => ({
    action: actions[pick(names)]!,
    member: pick(members),
    one: pick(tokens),
    turns: Math.floor(random() * 12),
  }));
  await Promise.all(
    plan.map(async ({ action, member, one, turns }) => {
      for (let turn = 0; turn < turns; turn += 1)
        await new Promise((resolve) => setImmediate(resolve));
      await action(member, one);
      await check(pick(members), one);
    }),
  );
  return [...wrong, ...(await disagreements(round, tokens, ended))];
}

/** Every process against the truth, and the truth against what was acknowledged. */
async function disagreements(
  round: number,
  tokens: readonly CreatedSession[],
  ended: ReadonlySet<string>,
): Promise<string[]> {
  const rows = await members[0]!.db.query<{ id: string }>({
    text: 'SELECT id FROM sessions WHERE id = ANY($1) AND revoked_at IS NULL',
    values: [tokens.map(({ session }) => session.id)],
  });
  const live = new Set(rows.map(({ id }) => id));
  const found: string[] = [];
  for (const { token, session } of tokens) {
    if (live.has(session.id) && ended.has(token)) found.push(`round ${round}: revived`);
    for (const [index, member] of members.entries()) {
      const accepted = await member.acceptAndTouch(token);
      if (accepted !== live.has(session.id))
        found.push(`round ${round}: gateway.${index + 1} says ${accepted}`);
    }
  }
  return found;
}

describe('interleavings', () => {
  it(`${rounds} of them: 0 revived, 0 missed`, async () => {
    const wrong: string[] = [];
    let next = 0;
    const player = async () => {
      while (next < rounds) {
        const round = next;
        next += 1;
        wrong.push(...(await playRound(round)));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, player));
    expect(wrong).toEqual([]);
    // Whoever opened a session before all of a user's ended was ended with them; locks order the events.
    const missed = await members[0]!.db.query({
      text: `SELECT s.user_id FROM sessions s JOIN session_events c ON c.session_id = s.id AND c.event = 'created'
              WHERE revoked_at IS NULL AND EXISTS (
                SELECT 1 FROM session_events e WHERE e.user_id = s.user_id AND e.id > c.id
                   AND e.event = 'revoked' AND e.reason IN ('all', 'password-change'))`,
    });
    expect(missed).toEqual([]);
    const [count] = await members[0]!.db.query<Record<string, string>>({
      text: `SELECT count(*) FILTER (WHERE event = 'revoked') AS revoked,
                    count(*) FILTER (WHERE event = 'rotated') AS rotated FROM session_events`,
    });
    // It saw what it is about.
    expect(members.reduce((sum, { seen }) => sum + seen.proven, 0)).toBeGreaterThan(rounds / 5);
    expect(Number(count!.revoked)).toBeGreaterThan(rounds);
    expect(Number(count!.rotated)).toBeGreaterThan(rounds / 4);
  }, 300_000);
});
