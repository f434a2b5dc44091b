/**
 * Erasure of a person: after it, no key or copy that the platform has can decrypt their fields in the audit log, nothing
 * beside the log has them, what is recorded later can be read, and the chain is as valid as before. On two real gateway processes, with archives from before and after. Then with defects
 * planted in the gateways, which the same search must find.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { type KillResult, killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import { historyMonthsAgo, startErasure } from './fixtures/erasure.ts';

const { postgres, redis } = sharedStores('erasure');
const results: KillResult[] = [];
let schemas = 0;

afterAll(() => {
  console.log(killMatrixText('erasure', results));
});

const routes = ['gateway.1', 'gateway.2'].flatMap((name) => [
  `search by ${name}`,
  `event by ${name}`,
]);
const copies = ['database', 'export ndjson', 'archive from before', 'archive from after'];
const sorted = (places: readonly string[]) => [...places].sort();

async function readableAroundErasure(who: 'person' | 'operator', plant?: string) {
  schemas += 1;
  const schema = `erasure_${schemas}`;
  const stores = { databaseUrl: postgres.url, redisUrl: redis.url, schema };
  const platform = await startErasure({ ...stores, plant });
  try {
    await platform.sendRequests();
    await platform.archive('archive from before', historyMonthsAgo.before);
    const before = await platform.readablePlaces();
    await platform.eraseBy(who);
    // Both processes have cached the key; neither may still use it.
    await platform.sendLaterRequests();
    await platform.archive('archive from after', historyMonthsAgo.after);
    const after = await platform.readablePlaces();
    const later = await platform.readableLater();
    const { verdict, findings, archived } = await platform.verify();
    return {
      before: sorted(before),
      after: sorted(after),
      later: sorted(later),
      chain: { verdict, findings, archived },
    };
  } finally {
    await platform.stop();
  }
}

const valid = { verdict: 'pass', findings: [], archived: 0 };
const everywhere = sorted([...routes, ...copies]);
const atFirst = sorted([
  'beside the log',
  ...everywhere.filter((place) => place !== 'archive from after'),
]);
/** Later events are live, and their proofs and pages have them. */
const stillSeen = sorted([
  'database',
  'export ndjson',
  'search by gateway.1',
  'search by gateway.2',
]);

describe('erasure of personal fields', () => {
  it.each(['person', 'operator'] as const)(
    'by the %s: readable nowhere, later events are not blind, and the chain is valid',
    async (who) => {
      expect(await readableAroundErasure(who)).toEqual({
        before: atFirst,
        after: [],
        later: stillSeen,
        chain: valid,
      });
    },
  );
});

describe('a planted defect', () => {
  it.each([
    { id: 'erased-key-kept', what: 'the key is marked as erased, and kept', opens: everywhere },
    { id: 'erased-key-copied', what: 'a copy of the key stands in another row', opens: copies },
    { id: 'erased-key-remembered', what: 'readers keep the keys they have used', opens: routes },
    {
      id: 'account-kept',
      what: 'address and sessions stay beside the log',
      opens: ['beside the log'],
    },
    {
      id: 'never-sealed',
      what: 'the fields are stored as they are',
      opens: ['database', 'export ndjson'],
    },
  ])('$id: $what; it is seen where it opens them', async ({ id, what, opens }) => {
    const { after, chain } = await readableAroundErasure('person', id);
    results.push({ id, what, caughtBy: 'erasure', caught: after.length > 0 });
    expect(after).toEqual(sorted(opens));
    // Verification alone does not find the defect.
    expect(chain).toEqual(valid);
  });
});
