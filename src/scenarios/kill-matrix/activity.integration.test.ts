/**
 * Issue 12, number 6. The kill matrix of recent activity: the watchers of turn 5 poll their own pages of real gateway
 * processes (dist/), one right and the others with a planted defect of the page cache.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readHistory } from '../../sim/effects/load/engine/read-history.ts';
import { makeScratch, type Scratch } from '../../sim/effects/testbed/fixtures/bed.ts';
import type { Testbed } from '../../sim/effects/testbed/testbed.ts';
import type { HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { armOf } from '../../sim/plan/plan.ts';
import { resolve } from '../../sim/plan/resolve.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import type { Account } from '../../sim/pure/load/workload.ts';
import { changedPlatform, startTestPlatform } from '../fixtures/platform-parts.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import { turn5 } from '../turn5.ts';

const ROUNDS = 4;
const WATCH_EVERY_MS = 2_250;
const DEFECTS: Readonly<Record<string, { plant: string; what: string; violation: RegExp }>> = {
  'gateway.2': {
    plant: 'stale',
    what: 'a page is 2.5 s old when 2 s are promised',
    violation: /an acknowledged action is missing/,
  },
  'gateway.3': {
    plant: 'collision',
    what: "a page is served from another user's cache entry when keys collide",
    violation: /an item of another user|an acknowledged action is missing/,
  },
};
const plan = resolve(turn5, { quick: true, seed: 1 });
const activity = plan.invariants.find(({ id }) => id === 'activity-correct')!;

let scratch: Scratch;
let testbed: Testbed;
beforeAll(async () => {
  scratch = await makeScratch();
  const changed = changedPlatform(armOf(plan, 'after').topology, {
    instances: Object.keys(DEFECTS).length + 1,
    gateway: {
      activity: Object.fromEntries(
        Object.entries(DEFECTS).map(([name, { plant }]) => [name, plant]),
      ),
    },
  });
  const module = fileURLToPath(new URL('./fixtures/wrong-activity-gateway.mjs', import.meta.url));
  testbed = await startTestPlatform(scratch, 'activity', changed, module);
});
afterAll(async () => {
  await testbed?.stop();
  await scratch?.remove();
});

const originMs = performance.now();
const nowUs = () => Math.round((performance.now() - originMs) * 1_000);
let sent = 0;

async function read(
  account: Account,
  { name, url }: { name: string; url: string },
): Promise<OperationRecord> {
  sent += 1;
  const id = sent;
  const requestId = `activity-${id}`;
  const scheduledUs = nowUs();
  const response = await fetch(`${url}/activity`, {
    headers: { ...account.headers, 'x-request-id': requestId },
  });
  const body = await response.text();
  expect(response.status).toBe(200);
  return {
    kind: 'op',
    id,
    phase: 'pipelines',
    name: 'watch',
    user: account.id,
    requestId,
    scheduledUs,
    sentUs: scheduledUs,
    doneUs: nowUs(),
    outcome: 'ok',
    status: 200,
    body,
    target: name,
  };
}

it('Activity: names a page that is too old and a page of another user, and finds nothing else', async () => {
  const accounts = JSON.parse(await readFile(testbed.accountsFile, 'utf8')) as Account[];
  const watchers = accounts.filter(({ group }) => group === 'watchers');
  expect(watchers).toHaveLength(6);
  const sinceMs = Date.now() - 1_000;
  const histories = new Map<string, OperationRecord[]>();
  const { targets } = testbed;
  // Two neighbours of each gateway; nobody else reads their pages.
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round > 0) await delay(WATCH_EVERY_MS);
    for (const [index, watcher] of watchers.entries()) {
      const target = targets[index >> 1]!;
      const operations = histories.get(target.name) ?? [];
      operations.push(await read(watcher, target));
      histories.set(target.name, operations);
    }
  }
  const outFile = path.join(scratch.root, 'facts.ndjson');
  await testbed.runJob('facts', { outFile, sinceMs });
  const facts: HistoryRecord[] = [];
  for await (const record of readHistory(outFile)) facts.push(record);
  const check = (name: string) => activity.check([...histories.get(name)!, ...facts]);

  expect(check('gateway.1')).toMatchObject({ verdict: 'pass', checked: 2 * ROUNDS });
  const results = Object.entries(DEFECTS).map(([name, { plant, what, violation }]): KillResult => {
    const { verdict, witness } = check(name);
    expect(String(witness[0]?.violation), plant).toMatch(violation);
    return { id: plant, what, caughtBy: activity.id, caught: verdict === 'fail' };
  });
  console.log(killMatrixText('recent activity', results));
  expect(results.filter(({ caught }) => !caught)).toEqual([]);
  expect(countByCheck(results)).toEqual(PLANTED_DEFECTS.activity);
}, 60_000);
