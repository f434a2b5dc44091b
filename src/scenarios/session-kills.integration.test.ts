/**
 * Interleavings of logout, renewal, "revoke all" and checks on four real gateway processes (dist/), one of which, or
 * Redis, is killed by SIGKILL in the middle and started again. Then everything is tried everywhere.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConnection } from '../services/gateway/clients.ts';
import { bearer, client, type Send } from '../services/gateway/fixtures/client.ts';
import { type Database, ServiceError } from '../services/ports.ts';
import { makeScratch, type Scratch } from '../sim/effects/testbed/fixtures/bed.ts';
import { startTestbed, type Testbed } from '../sim/effects/testbed/testbed.ts';
import { armOf } from '../sim/plan.ts';
import type { Account } from '../sim/pure/workload.ts';
import { resolve } from '../sim/resolve.ts';
import { changedPlatform } from './fixtures/platform-parts.ts';
import {
  drawInterleaving,
  type Interleaving,
  InterleavingPlay,
  type Person,
  type TouchingGateway,
} from './kill-matrix/fixtures/session-interleaving.ts';
import { type Judgement, judge } from './kill-matrix/fixtures/session-judgement.ts';
import { type BegunFacts, SessionRecord } from './kill-matrix/fixtures/session-record.ts';
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
  const people = 2 * rounds * perRound;
  testbed = await startTestbed({
    ...{ runId: 'session-kills', seed: 7, cores: null, env: scratch.env, onNote: () => {} },
    logFolder: scratch.logFolder,
    topology: changedPlatform(topology, {
      template: { users: people },
      accounts: { count: people, heavyUsers: 0 },
    }),
  });
  // A second session for everybody.
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

/** A gateway process as its clients see it. Who acts with which token is known from what was handed out. */
function overHttp(name: string, url: string, tokens: Map<string, string>): TouchingGateway {
  const send = client(url);
  const ask = async (token: string | undefined, ...request: Parameters<Send>) => {
    const [method, where] = request;
    const answer = await send(method, where, { headers: bearer(token ?? '') }).catch(lost);
    if (answer.status === 401) return null;
    if (answer.status < 300) return answer.body;
    throw new ServiceError({ status: answer.status, code: `${answer.body.code}`, detail: '' });
  };
  const begun = ({ token, sessionId: id, userId }: Record<string, string>): BegunFacts => {
    tokens.set(id!, token!);
    return { token: token!, session: { id: id!, userId: userId!, createdAtMs: 0, endsAtMs: 0 } };
  };
  const notPlayed = () => Promise.reject(new Error('not played over HTTP'));
  return {
    name,
    onDeath: () => () => {},
    touch: async (id) => void (await ask(tokens.get(id), 'GET', '/session').catch(() => {})),
    store: {
      create: notPlayed,
      changePassword: notPlayed,
      check: (token) => ask(token, 'GET', '/session'),
      // The gateway does that itself.
      used: async () => {},
      async end(token) {
        return (await ask(token, 'POST', '/logout')) === null ? null : true;
      },
      async renew(token) {
        const answer = await ask(token, 'POST', '/session/renew');
        return answer && begun(answer);
      },
      revokeAll: (userId) => ask(tokens.get(userId), 'POST', '/sessions/revoke-all'),
      revokeOthers: ({ id }) => ask(tokens.get(id), 'POST', '/sessions/revoke-others'),
    },
  };
}

const lost = (cause: unknown): never => {
  throw new ServiceError({ status: 0, code: 'killed', detail: 'No answer.' }, { cause });
};

function personOf(index: number, tokens: Map<string, string>): Person {
  const own = accounts.map((list) => list[index]!);
  const sessions = own.map(({ id, subject, headers }) => {
    const token = headers.authorization!.slice('Bearer '.length);
    tokens.set(subject!, token);
    tokens.set(id, token);
    return { token, session: { id: subject!, userId: id, createdAtMs: 0, endsAtMs: 0 } };
  });
  return { userId: own[0]!.id, passwordHash: '', sessions };
}

async function playRound(round: number): Promise<Judgement> {
  const record = new SessionRecord();
  const tokens = new Map<string, string>();
  const gateways = testbed.targets.map(({ name, url }) => overHttp(name, url, tokens));
  const killed = round % 2 === 0 ? `gateway.${1 + ((round / 2) % 4)}` : 'redis';
  const plans = new Map<string, Interleaving>();
  const plays = Array.from({ length: perRound }, (_, i) => {
    const number = round * perRound + i;
    const plan = drawInterleaving(seed, number, { gateways: 4, passwords: false });
    const people = Array.from({ length: plan.people }, (__, k) => {
      const person = personOf(2 * number + k, tokens);
      return { ...person, sessions: person.sessions.slice(0, plan.sessionsEach) };
    });
    // Processes that find Redis again one after the other may disagree until an end is answered.
    const quiet = killed === 'redis';
    return { plan, people, play: new InterleavingPlay({ record, gateways, people, quiet }) };
  });
  const nemesis = delay(5 + 3 * round).then(() => testbed.members(killed)[0]!.signal('SIGKILL'));
  await Promise.all(plays.map(({ play, plan, people }) => play.play(plan, people)));
  await nemesis;
  await testbed.members(killed)[0]!.restart();
  for (const { name } of testbed.targets)
    expect(await testbed.members(name)[0]!.probe()).toBe(true);
  for (const { play, plan } of plays)
    for (const subject of await play.sweep()) plans.set(subject, plan);
  return judge(record, plans, db);
}

it(`${rounds * perRound} interleavings with kill -9 in between: 0 revived, 0 missed`, {
  timeout: 240_000,
}, async () => {
  const all: Judgement[] = [];
  for (let round = 0; round < rounds; round += 1) all.push(await playRound(round));
  const sum = (of: (one: Judgement) => number) => all.reduce((total, one) => total + of(one), 0);
  const revived = all.flatMap((one) => one.revived);
  const missed = all.flatMap((one) => one.missed);
  console.log(
    `${rounds * perRound} interleavings under kill -9, seed ${seed}: ${sum((one) => one.operations)} operations, ${sum((one) => one.changes)} changes, ${revived.length} revived, ${missed.length} missed`,
  );
  expect(revived.slice(0, 5)).toEqual([]);
  expect(missed.slice(0, 5)).toEqual([]);
  expect(all.flatMap((one) => one.surprises)).toEqual([]);
  expect(sum((one) => one.changes)).toBeGreaterThan(rounds * perRound);
});
