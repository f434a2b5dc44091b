/**
 * The kill matrix of the platform's own limits: gateway processes (dist/) with one planted defect each, under the traffic of
 * turns 2 and 5. The invariant that the defect names must fail; without a defect all of them pass.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type LimitGateways,
  prepareLimitGateways,
} from '../../services/gateway/fixtures/limit-gateways.ts';
import { ownStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { FaultRecord, HistoryRecord } from '../../sim/history.ts';
import {
  countByCheck,
  killMatrixText,
  type PlantedDefect,
} from '../../sim/pure/fixtures/planted-defect.ts';
import type { Invariant } from '../../sim/scenario.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import { turn2 } from '../turn2.ts';
import { turn5 } from '../turn5.ts';
import { levelDefects, outageDefects, shareDefects } from './fixtures/limit-level-defects.ts';
import {
  type LimitTraffic,
  limitScenario,
  type Meanwhile,
  playTraffic,
} from './fixtures/limit-traffic.ts';

/** Of turn 2's traffic: what fills the levels, without the floods of one user. */
const FLOODS = /^(many keys|roaming key|scrape|burst \d|list projects|read project|polite)$/;
/** Counted in minutes: the run is shorter than that, so they are sent more often. */
const IN_MINUTES = /^(register|guess token|guess password|log in again)$/;
/** A busy machine delays a burst; a defect that three runs do not show is not caught. */
const ATTEMPTS = 3;
const AT_ONE_TIME = 4;

const stores = ownStores('kill-levels', { max_connections: '200' });
const limits = limitScenario(turn2);
const shares = limitScenario(turn5);

type Play = (plant: string | null) => Promise<readonly HistoryRecord[]>;

/** `schema` is of one group of tests. */
function playIn(
  schema: string,
  scenario: ReturnType<typeof limitScenario>,
  given: { instances: number; traffic: LimitTraffic; meanwhile?: Meanwhile },
): Play {
  let gateways: LimitGateways;
  beforeAll(async () => {
    gateways = await prepareLimitGateways({
      ...scenario.testbed,
      databaseUrl: stores.postgres.url,
      redisUrl: stores.redis.url,
      schema,
    });
  }, 60_000);
  afterAll(() => gateways?.close());
  return async (plant) => {
    const { urls, stop } = await gateways.start(plant, given.instances);
    try {
      return await playTraffic(given.traffic, urls, gateways.accounts, given.meanwhile);
    } finally {
      await stop();
    }
  };
}

/** What each of these invariants lacks for a pass without a defect, in the last of at most `attempts` runs. */
async function missesOfSound(
  invariants: ReadonlyMap<string, Invariant>,
  play: Play,
  ids: readonly string[],
  attempts = 1,
) {
  const history = await play(null);
  const misses = ids.flatMap((id) => {
    const { verdict, reason, witness } = invariants.get(id)!.check(history);
    return verdict === 'pass' ? [] : [{ id, verdict, reason, witness }];
  });
  if (misses.length === 0 || attempts === 1) return misses;
  return await missesOfSound(invariants, play, ids, attempts - 1);
}

/** The defects that were not caught, with the last verdict. */
async function missesOf(
  name: string,
  invariants: ReadonlyMap<string, Invariant>,
  play: Play,
  defects: readonly PlantedDefect[],
) {
  const caught = new Set<string>();
  const seen = new Map<string, string>();
  const waiting = [...defects];
  const runNext = async (): Promise<void> => {
    const defect = waiting.shift();
    if (!defect) return;
    for (let attempt = 1; attempt <= ATTEMPTS && !caught.has(defect.id); attempt += 1) {
      const history = await play(defect.id);
      const { verdict, reason = '' } = invariants.get(defect.caughtBy)!.check(history);
      seen.set(defect.id, `${verdict} ${reason}`);
      if (verdict === 'fail') caught.add(defect.id);
    }
    return runNext();
  };
  await Promise.all(Array.from({ length: AT_ONE_TIME }, runNext));
  const results = defects.map((one) => ({ ...one, caught: caught.has(one.id) }));
  console.log(killMatrixText(name, results));
  return [...seen].filter(([id]) => !caught.has(id));
}

describe('limits at every level', () => {
  const play = playIn('levels', limits, {
    instances: 1,
    traffic: limits.trafficOf('bots', 5_400, {
      has: ({ name }) => !FLOODS.test(name),
      timesOf: ({ name }) => (IN_MINUTES.test(name) ? 3 : 1),
      warmUpMs: 1_500,
    }),
  });

  it('pass every invariant without a defect', { timeout: 60_000 }, async () => {
    const ids = [...new Set(levelDefects.map(({ caughtBy }) => caughtBy))];
    expect(await missesOfSound(limits.invariants, play, ids)).toEqual([]);
  });

  it('are caught with a defect, every one', { timeout: 300_000 }, async () =>
    expect(await missesOf('limits at every level', limits.invariants, play, levelDefects)).toEqual(
      [],
    ),
  );
});

describe('limits without Redis, which is killed just after a burst', () => {
  const play = playIn('outage', limits, {
    instances: 4,
    traffic: limits.trafficOf('redis-kill', 7_000, {
      has: ({ name }) => /^outage|^log in$/.test(name),
    }),
    async meanwhile({ add, nowUs, acknowledged }) {
      const record = (event: FaultRecord['event']) =>
        add({ kind: 'fault', name: 'redis-kill', event, atUs: nowUs() });
      await acknowledged('outage burst 4');
      await delay(80);
      record('apply');
      await stores.redis.kill();
      record('landed');
      // One burst comes meanwhile, and one before the window of the first is over.
      await delay(800);
      await stores.redis.startAgain();
      record('healed');
    },
  });

  it('are bounded without a defect', { timeout: 60_000 }, async () =>
    expect(await missesOfSound(limits.invariants, play, ['degraded-bounded'])).toEqual([]),
  );

  it.each(outageDefects)('are caught: $id', { timeout: 120_000 }, async (defect) =>
    expect(await missesOf('limits without Redis', limits.invariants, play, [defect])).toEqual([]),
  );
});

describe('the shares of a key', () => {
  const play = playIn('shares', shares, {
    instances: 2,
    traffic: shares.trafficOf('pipelines', 9_000, { has: ({ group }) => group !== 'tenants' }),
  });

  it('are fair without a defect', { timeout: 60_000 }, async () => {
    const ids = ['agents-fair', 'stolen-key-bounded', 'window-exact', 'level-refusals'];
    // An agent that a busy machine delays finds its share lent: 0.73 of it was seen beside another file of tests.
    expect(await missesOfSound(shares.invariants, play, ids, ATTEMPTS)).toEqual([]);
  });

  it('are caught with a defect, every one', { timeout: 120_000 }, async () =>
    expect(await missesOf('the shares of a key', shares.invariants, play, shareDefects)).toEqual(
      [],
    ),
  );
});

it('are what a report says of them', () => {
  const every = [...levelDefects, ...outageDefects, ...shareDefects];
  const results = every.map((defect) => ({ ...defect, caught: true }));
  expect(countByCheck(results)).toEqual(PLANTED_DEFECTS['limit-levels']);
});
