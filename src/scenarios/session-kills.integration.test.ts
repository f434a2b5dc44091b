/**
 * Interleavings of logout, renewal, "revoke all" and checks on four real gateway processes (dist/). One of them, or
 * Redis, is killed by SIGKILL meanwhile and restarted. Then every session is checked on every gateway.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConnection } from '../services/gateway/clients.ts';
import { bearer, client, type Send } from '../services/gateway/fixtures/client.ts';
import { type Database, ServiceError } from '../services/ports.ts';
import { makeScratch, type Scratch } from '../sim/effects/testbed/fixtures/bed.ts';
import type { Testbed } from '../sim/effects/testbed/testbed.ts';
import { armOf } from '../sim/plan/plan.ts';
import { resolve } from '../sim/plan/resolve.ts';
import type { Account } from '../sim/pure/load/workload.ts';
import { changedPlatform, startTestPlatform } from './fixtures/platform-parts.ts';
import {
  type InterleavingFindings,
  judgeInterleavings,
} from './kill-matrix/fixtures/judge-interleavings.ts';
import { type IssuedSession, SessionHistory } from './kill-matrix/fixtures/session-history.ts';
import {
  drawInterleaving,
  type Interleaving,
  InterleavingRun,
  type InterleavingUser,
  type TouchingGateway,
} from './kill-matrix/fixtures/session-interleaving.ts';
import { turn1 } from './turn1.ts';

const seed = 20_261_121;
const rounds = 12;
const perRound = 30;
const { topology } = armOf(resolve(turn1, { quick: true, seed }), 'after');

let scratch: Scratch;
let testbed: Testbed;
let db: Database & { close(): Promise<void> };
let accounts: readonly (readonly Account[])[];

beforeAll(async () => {
  scratch = await makeScratch();
  const users = 2 * rounds * perRound;
  testbed = await startTestPlatform(
    scratch,
    'session-kills',
    changedPlatform(topology, {
      template: { users: users },
      accounts: { count: users, heavyUsers: 0, groups: [] },
    }),
  );
  // A second session for every user.
  const outFile = path.join(scratch.root, 'more.json');
  await testbed.runJob('accounts', { outFile });
  const read = async (file: string) => JSON.parse(await readFile(file, 'utf8')) as Account[];
  accounts = [await read(testbed.accountsFile), await read(outFile)];
  db = await openConnection(testbed.node('postgres').address.url);
});
afterAll(async () => {
  await db?.close();
  await testbed?.stop();
  await scratch?.remove();
});

/** A gateway process over HTTP. `tokens` maps session ids and user ids to the token to send. */
function overHttp(name: string, url: string, tokens: Map<string, string>): TouchingGateway {
  const send = client(url);
  const call = async (token: string | undefined, ...request: Parameters<Send>) => {
    const [method, where] = request;
    const answer = await send(method, where, { headers: bearer(token ?? '') }).catch(lost);
    if (answer.status === 401) return null;
    if (answer.status < 300) return answer.body;
    throw new ServiceError({ status: answer.status, code: `${answer.body.code}`, detail: '' });
  };
  const toIssuedSession = ({
    token,
    sessionId: id,
    userId,
  }: Record<string, string>): IssuedSession => {
    tokens.set(id!, token!);
    return { token: token!, session: { id: id!, userId: userId!, createdAtMs: 0, endsAtMs: 0 } };
  };
  const notSupported = () => Promise.reject(new Error('not played over HTTP'));
  return {
    name,
    onUnexpectedExit: () => () => {},
    touch: async (id) => void (await call(tokens.get(id), 'GET', '/session').catch(() => {})),
    store: {
      create: notSupported,
      changePassword: notSupported,
      check: (token) => call(token, 'GET', '/session'),
      // The gateway touches the session itself.
      touch: async () => {},
      async end(token) {
        return (await call(token, 'POST', '/logout')) === null ? null : true;
      },
      async renew(token) {
        const answer = await call(token, 'POST', '/session/renew');
        return answer && toIssuedSession(answer);
      },
      revokeAll: (userId) => call(tokens.get(userId), 'POST', '/sessions/revoke-all'),
      revokeOthers: ({ id }) => call(tokens.get(id), 'POST', '/sessions/revoke-others'),
    },
  };
}

const lost = (cause: unknown): never => {
  throw new ServiceError({ status: 0, code: 'killed', detail: 'No answer.' }, { cause });
};

function userOf(index: number, tokens: Map<string, string>): InterleavingUser {
  const own = accounts.map((list) => list[index]!);
  const sessions = own.map(({ id, subject, headers }) => {
    const token = headers.authorization!.slice('Bearer '.length);
    tokens.set(subject!, token);
    tokens.set(id, token);
    return { token, session: { id: subject!, userId: id, createdAtMs: 0, endsAtMs: 0 } };
  });
  return { userId: own[0]!.id, passwordHash: '', sessions };
}

async function runRound(round: number): Promise<InterleavingFindings> {
  const history = new SessionHistory();
  const tokens = new Map<string, string>();
  const gateways = testbed.targets.map(({ name, url }) => overHttp(name, url, tokens));
  const killed = round % 2 === 0 ? `gateway.${1 + ((round / 2) % 4)}` : 'redis';
  const plans = new Map<string, Interleaving>();
  const runs = Array.from({ length: perRound }, (_, i) => {
    const number = round * perRound + i;
    const plan = drawInterleaving(seed, number, { gateways: 4, passwords: false });
    const users = Array.from({ length: plan.users }, (__, k) => {
      const user = userOf(2 * number + k, tokens);
      return { ...user, sessions: user.sessions.slice(0, plan.sessionsEach) };
    });
    // Gateways reconnect to Redis at different times, so they may disagree until an end is answered.
    const concurrentUse = killed !== 'redis';
    const run = new InterleavingRun({ history, gateways, users, concurrentUse });
    return { plan, users, run };
  });
  const nemesis = delay(5 + 3 * round).then(() => testbed.members(killed)[0]!.signal('SIGKILL'));
  await Promise.all(runs.map(({ run, plan, users }) => run.runSteps(plan, users)));
  await nemesis;
  await testbed.members(killed)[0]!.restart();
  for (const { name } of testbed.targets)
    expect(await testbed.members(name)[0]!.probe()).toBe(true);
  for (const { run, plan } of runs)
    for (const subject of await run.sweep()) plans.set(subject, plan);
  return judgeInterleavings(history, plans, db);
}

it(`${rounds * perRound} interleavings with kill -9 in between: 0 revived, 0 missed`, {
  timeout: 240_000,
}, async () => {
  const all: InterleavingFindings[] = [];
  for (let round = 0; round < rounds; round += 1) all.push(await runRound(round));
  const sum = (of: (one: InterleavingFindings) => number) =>
    all.reduce((total, one) => total + of(one), 0);
  const revived = all.flatMap((one) => one.revived);
  const missed = all.flatMap((one) => one.missed);
  console.log(
    `${rounds * perRound} interleavings under kill -9, seed ${seed}: ${sum((one) => one.operations)} operations, ${sum((one) => one.changes)} changes, ${revived.length} revived, ${missed.length} missed`,
  );
  expect(revived.slice(0, 5)).toEqual([]);
  expect(missed.slice(0, 5)).toEqual([]);
  expect(all.flatMap((one) => one.unexpectedErrors)).toEqual([]);
  expect(sum((one) => one.changes)).toBeGreaterThan(rounds * perRound);
});
