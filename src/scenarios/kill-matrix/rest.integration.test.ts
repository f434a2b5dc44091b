/**
 * Issue 12, number 6. The kill matrix of what gateways hold at rest: real gateway processes (dist/), one of them right
 * and each other with a planted leak, answer some thousand requests each; the invariant names each leak and no other.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readRest } from '../../sim/effects/observe/rest.ts';
import { makeScratch, type Scratch } from '../../sim/effects/testbed/fixtures/bed.ts';
import type { Testbed } from '../../sim/effects/testbed/testbed.ts';
import type { RestRecord } from '../../sim/history.ts';
import { armOf } from '../../sim/plan/plan.ts';
import { resolve } from '../../sim/plan/resolve.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import type { Account } from '../../sim/pure/load/workload.ts';
import { atRest } from '../define-platform.ts';
import { changedPlatform, startTestPlatform } from '../fixtures/platform-parts.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import { turn1 } from '../turn1.ts';

const REQUESTS = 2_200;
const AT_ONCE = 8;
const SOCKETS = 'sockets opened, beside the pools';
/** By process: the leak, and what must be found of it. */
const LEAKS: Readonly<Record<string, { leak: string; what: string; found: readonly string[] }>> = {
  'gateway.2': {
    leak: 'pool-connection',
    what: 'one connection of the pool is kept per 1,000 requests',
    found: ['connections in use, say the pools'],
  },
  'gateway.3': { leak: 'socket', what: 'one socket is kept per 500 requests', found: [SOCKETS] },
  'gateway.4': { leak: 'file', what: 'one file stays open per 500 requests', found: ['files'] },
  'gateway.5': {
    leak: 'transaction',
    what: 'a connection is given back with its transaction open',
    found: ['open transactions, says PostgreSQL'],
  },
  'gateway.6': {
    leak: 'unlisted-connection',
    what: 'one connection beside the pools is kept per 1,000 requests',
    found: [SOCKETS, 'connections, says PostgreSQL'],
  },
  'gateway.7': {
    leak: 'redis-client',
    what: 'one client of Redis is kept per 1,000 requests',
    found: [SOCKETS],
  },
};

let scratch: Scratch;
let testbed: Testbed;
beforeAll(async () => {
  scratch = await makeScratch();
  const { topology } = armOf(resolve(turn1, { quick: true, seed: 1 }), 'after');
  const leaks = Object.fromEntries(Object.entries(LEAKS).map(([name, { leak }]) => [name, leak]));
  const changed = changedPlatform(topology, {
    instances: Object.keys(LEAKS).length + 1,
    template: { users: 40 },
    accounts: { count: 20, groups: [] },
    gateway: { leaks },
  });
  const module = fileURLToPath(new URL('./fixtures/leaky-gateway.mjs', import.meta.url));
  testbed = await startTestPlatform(scratch, 'leaks', changed, module);
});
afterAll(async () => {
  await testbed?.stop();
  await scratch?.remove();
});

/** Sends requests to every process, and closes its own connections. */
async function play(count: number, account: Account): Promise<void> {
  const agent = new Agent({ connections: AT_ONCE });
  const ask = async (url: string, times: number) => {
    for (let sent = 0; sent < times; sent += 1) {
      const { statusCode, body } = await request(`${url}/session`, {
        dispatcher: agent,
        headers: account.headers,
      });
      await body.dump();
      expect(statusCode).toBe(200);
    }
  };
  const perWorker = Math.ceil(count / AT_ONCE);
  await Promise.all(
    testbed.targets.flatMap(({ url }) =>
      Array.from({ length: AT_ONCE }, () => ask(url, perWorker)),
    ),
  );
  await agent.close();
}

it('At rest: names each planted leak by its process, and nothing else', async () => {
  const accounts = JSON.parse(await readFile(testbed.accountsFile, 'utf8')) as Account[];
  const originMs = performance.now();
  const nowUs = () => Math.round((performance.now() - originMs) * 1_000);
  await play(40, accounts[0]!);
  const before = await readRest(testbed, 'before', nowUs);
  await play(40, accounts[0]!);
  const atOnce = await readRest(testbed, 'after', nowUs);
  expect(atRest.check([...before, ...atOnce])).toMatchObject({ verdict: 'pass', witness: [] });

  await play(REQUESTS, accounts[0]!);
  const after = await readRest(testbed, 'after', nowUs);
  /** The stores, and one process. */
  const findingsOf = (name: string) => {
    const isSeen = ({ process }: RestRecord) => process === name || !process.startsWith('gateway.');
    return atRest.check([...before, ...after].filter(isSeen)).witness;
  };
  const redisFinding = { process: 'redis', what: 'clients of Redis', before: expect.any(Number) };
  expect(findingsOf('gateway.1')).toMatchObject([redisFinding]);
  const results = Object.entries(LEAKS).map(([process, { leak, what, found }]): KillResult => {
    const findings = findingsOf(process).filter((one) => one.process === process);
    expect(
      findings.map((one) => one.what),
      leak,
    ).toEqual(found);
    return { id: leak, what, caughtBy: atRest.id, caught: findings.length > 0 };
  });
  console.log(killMatrixText('at rest', results));
  expect(results.filter(({ caught }) => !caught)).toEqual([]);
  expect(countByCheck(results)).toEqual(PLANTED_DEFECTS.rest);
}, 120_000);
