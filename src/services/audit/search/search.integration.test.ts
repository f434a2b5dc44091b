/** Search on a real PostgreSQL: every page equals the result of filtering all events, of one organisation. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { openConnection } from '../../gateway/clients.ts';
import { prepareSchema, schemaUrl, smallSize } from '../../gateway/fixtures/platform.ts';
import { findDesign } from '../../lineage.ts';
import { type Database, isoFromUs, type Statement } from '../../ports.ts';
import {
  expectedOf,
  makeEvents,
  usersOf,
  type WrittenEvent,
  writeEvents,
} from '../fixtures/events.ts';
import { type AuditSearch, createAuditSearch } from './search.ts';
import type { AuditFilter } from './search-request.ts';

const design = findDesign('turn4.after');
const storage = design.audit.storage;
const organisations = 3;
const dayUs = 86_400_000_000;
const fromUs = smallSize.anchorUs - 40 * dayUs;
const events = makeEvents({ count: 900, organisations, fromUs, stepUs: dayUs / 8, seed: 5 });
const subjectKeys = { readKeys: async () => new Map<string, Buffer>() };

const { postgres } = sharedStores('audit-search');
let db: Awaited<ReturnType<typeof openConnection>>;
let search: AuditSearch;
let shortScans: AuditSearch;

beforeAll(async () => {
  const schema = 'search';
  await prepareSchema(postgres.url, { schema, design, size: { ...smallSize, rows: 0 } });
  db = await openConnection(schemaUrl(postgres.url, schema));
  await db.query({
    text: 'SELECT audit_ensure_months($1, $2)',
    values: [isoFromUs(fromUs), isoFromUs(smallSize.anchorUs)],
  });
  await writeEvents(db, events);
  const common = { db, storage, subjectKeys };
  search = createAuditSearch(common);
  shortScans = createAuditSearch({ ...common, maxScannedRows: 17 });
});
afterAll(() => db?.close());

async function readAll(
  log: AuditSearch,
  organisationId: string,
  filter: AuditFilter,
  limit: number,
) {
  const items: string[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < 1_000; pages += 1) {
    const page = await log.search(organisationId, { ...filter, cursor, limit });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    items.push(...page.items.map(({ eventId }) => eventId));
    if (page.next === null) return items;
    cursor = page.next;
  }
  throw new Error('the pages do not end');
}

const maybe = <T>(...of: T[]) => fc.constantFrom<T | undefined>(undefined, ...of);
const anyTime = fc.option(
  fc.integer({ min: 0, max: 40 * 8 }).map((step) => isoFromUs(fromUs + (step * dayUs) / 8)),
  { nil: undefined },
);
/** With users, keys and targets of all organisations, whichever one searches. */
const filters: fc.Arbitrary<AuditFilter> = fc.record({
  actor: maybe('11', 'user:12', '21', '31', 'key:100', 'key:200', 'agent:100/1', 'agent:300/0'),
  action: maybe('project.read', 'project.*', 'project', 'audit.search', 'nothing'),
  targetType: maybe('project', 'session'),
  targetId: maybe('target-0', 'target-3', 'none'),
  outcome: maybe('success', 'denied', 'failure'),
  from: anyTime,
  to: anyTime,
});
const organisation = fc.integer({ min: 0, max: organisations + 1 }).map(String);
const ids = (list: readonly WrittenEvent[]) => list.map(({ eventId }) => eventId);

describe('a search', () => {
  it('finds every matching event in order, page by page, of its organisation alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        organisation,
        filters,
        fc.integer({ min: 1, max: 100 }),
        async (id, filter, limit) => {
          expect(await readAll(search, id, filter, limit)).toEqual(
            ids(expectedOf(events, id, filter)),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it('finds the same when every scan ends long before the page is full', async () => {
    await fc.assert(
      fc.asyncProperty(organisation, filters, async (id, filter) => {
        expect(await readAll(shortScans, id, filter, 10)).toEqual(
          ids(expectedOf(events, id, filter)),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('refuses the cursor of another organisation and of another request', async () => {
    await fc.assert(
      fc.asyncProperty(filters, filters, async (request, other) => {
        const { next } = await search.search('1', { ...request, cursor: null, limit: 1 });
        fc.pre(next !== null);
        const invalid = { code: 'invalid-cursor', status: 400 };
        for (const id of ['2', '3'])
          await expect(
            search.search(id, { ...request, cursor: next, limit: 10 }),
          ).rejects.toMatchObject(invalid);
        fc.pre(JSON.stringify(request) !== JSON.stringify(other));
        await expect(
          search.search('1', { ...other, cursor: next, limit: 10 }),
        ).rejects.toMatchObject(invalid);
      }),
      { numRuns: 50 },
    );
  });

  it('shows a reader nothing of a user of another organisation', async () => {
    for (const actor of [...usersOf(2), 'key:200', 'agent:200/1'])
      for (const log of [search, shortScans])
        expect(await log.search('1', { actor, cursor: null, limit: 100 })).toMatchObject({
          items: [],
        });
  });
});

describe('one event', () => {
  it('is found by its own organisation and by no other', async () => {
    const inTurn = Array.from({ length: 60 }, (_, n) => events[n * 15]!);
    for (const { eventId, organisationId, occurredAt } of inTurn)
      for (let id = 0; id <= organisations; id += 1) {
        const found = await search.find({ organisationId: String(id), ownerId: null }, eventId);
        if (String(id) === organisationId) expect(found).toMatchObject({ eventId, occurredAt });
        else expect(found).toBeNull();
      }
  });
});

describe('what a search costs', () => {
  /** Every node of the plan of the statement that a search sends. */
  async function planOf(request: AuditFilter & { cursor?: string | null }) {
    const sent: Statement[] = [];
    const watched: Database = {
      query(statement) {
        sent.push(statement);
        return db.query(statement);
      },
    };
    const log = createAuditSearch({ db: watched, storage, subjectKeys });
    const page = await log.search('1', { cursor: null, limit: 10, ...request });
    const { text, values = [] } = sent.at(-1)!;
    const [row] = await db.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>({
      text: `EXPLAIN (ANALYZE, FORMAT JSON, BUFFERS OFF) ${text}`,
      values,
    });
    return { nodes: flatten(row!['QUERY PLAN'][0].Plan), next: page.next };
  }

  it('scans the index of the tenant or the actor, without a sort, only in the requested months', async () => {
    await analysed();
    const whole = await planOf({});
    expectIndexes(whole.nodes, /organisation/);
    expectIndexes((await planOf({ actor: '11' })).nodes, /user_id/);
    // A user of another organisation is looked for among our events, not counted among theirs.
    expectIndexes((await planOf({ actor: '21' })).nodes, /organisation/);
    for (const request of [{ action: 'project.read' }, { outcome: 'denied' }, { actor: 'key:100' }])
      expectIndexes((await planOf(request)).nodes, /organisation/);
    const from = isoFromUs(smallSize.anchorUs - dayUs);
    const recent = await planOf({ from, to: isoFromUs(smallSize.anchorUs) });
    expect(partitionsOf(recent.nodes)).toEqual(['audit_logs_2026_11']);
    expectIndexes(recent.nodes, /organisation/);
  });

  it('is no more for a later page, and skips the months that are behind it', async () => {
    const first = await planOf({ to: isoFromUs(fromUs + 20 * dayUs) });
    const later = await planOf({ to: isoFromUs(fromUs + 20 * dayUs), cursor: first.next });
    expect(partitionsOf(later.nodes)).not.toContain('audit_logs_2026_11');
    expectIndexes(later.nodes, /organisation/);
    expect(rowsRead(later.nodes)).toBeLessThan(50);
  });

  it('reads no more rows than a page and one when everything fits', async () => {
    expect(rowsRead((await planOf({})).nodes)).toBeLessThan(30);
  });

  it('ends a scan that finds nothing at its limit', async () => {
    const before = await db.query<{ count: string }>({ text: 'SELECT count(*) FROM audit_logs' });
    expect(Number(before[0]!.count)).toBeGreaterThan(17);
    const page = await shortScans.search('1', { action: 'nothing', cursor: null, limit: 10 });
    expect(page).toMatchObject({ items: [], next: expect.any(String) });
  });
});

describe('a walk through the pages', () => {
  it('misses nothing and repeats nothing while events arrive', async () => {
    const before = ids(expectedOf(events, '1', {}));
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let round = 0; ; round += 1) {
      const page = await search.search('1', { cursor, limit: 50 });
      seen.push(...page.items.map(({ eventId }) => eventId));
      if (page.next === null) break;
      cursor = page.next;
      await db.query({
        text: `INSERT INTO audit_logs (event_id, occurred_at, organisation_id, user_id, action, resource_type, outcome,
                                       request_id, region, service)
               VALUES (gen_random_uuid(), $1, 1, 11, 'late', 'late', 'success', 'late', 'us', 'test')`,
        values: [isoFromUs(smallSize.anchorUs + round)],
      });
    }
    expect(seen).toEqual(before);
  });
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly PlanNode[];
}

const flatten = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flatten)];
const scans = (nodes: readonly PlanNode[]) => nodes.filter((node) => node['Relation Name']);
const partitionsOf = (nodes: readonly PlanNode[]) =>
  scans(nodes).map((node) => node['Relation Name']);
const rowsRead = (nodes: readonly PlanNode[]) =>
  scans(nodes).reduce((sum, node) => sum + node['Actual Rows'] * node['Actual Loops'], 0);

function expectIndexes(nodes: readonly PlanNode[], name: RegExp): void {
  expect(nodes.map((node) => node['Node Type']).filter((type) => /Sort/.test(type))).toEqual([]);
  expect(scans(nodes).length).toBeGreaterThan(0);
  for (const scan of scans(nodes)) {
    expect(scan['Node Type']).toMatch(/^Index/);
    expect(scan['Index Name']).toMatch(name);
  }
}

/** A table this small is cheaper to read whole: the question here is whether the index can answer at all. */
async function analysed(): Promise<void> {
  await db.query({ text: 'ANALYZE audit_logs' });
  await db.query({ text: 'SET enable_seqscan = off; SET enable_bitmapscan = off' });
}
