/** Searching projects on a real PostgreSQL: the results, isolation of owners, and the cost of a search. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { openConnection, openDatabase, type PooledDatabase } from '../gateway/clients.ts';
import { unrecorded, usersWithoutHistory } from '../gateway/fixtures/platform.ts';
import { systemClock, systemRandom } from '../gateway/system.ts';
import { createBase } from '../jobs/database-template.ts';
import { findDesign } from '../lineage.ts';
import type { Projects } from './contract.ts';
import { projectRoutes } from './routes.ts';
import { createProjects } from './store.ts';

const schema = 'projects';
const size = usersWithoutHistory(12);

const { postgres } = sharedStores('projects');
let db: PooledDatabase;
let projects: Projects;

beforeAll(async () => {
  const url = new URL(postgres.url);
  url.searchParams.set('options', `-c search_path=${schema}`);
  const design = findDesign('turn1.before');
  const databaseUrl = url.toString();
  const connection = await openConnection(databaseUrl);
  await createBase(connection, { ...size, searchUsers: 2, heavyProjects: 500, schema, design });
  await connection.close();
  db = openDatabase({
    databaseUrl,
    design: design.database,
    applicationName: 'projects-test',
    onConnectionError: () => {},
  });
  projects = createProjects({ db, clock: systemClock, random: systemRandom });
});
afterAll(() => db?.close());

describe('a search', () => {
  it('finds the newest projects of the owner, ignoring case, and their total', async () => {
    const names = ['Alpha one', 'beta', 'ALPHA two', ...Array(20).fill('more alphabet')];
    for (const name of names) await projects.create('5', name, unrecorded);
    await projects.create('6', 'Alpha of another owner', unrecorded);
    const found = await projects.search('5', 'alpha');
    expect(found.total).toBe(22);
    expect(found.items).toHaveLength(20);
    expect(found.items.map(({ id }) => id)).toEqual(
      found.items
        .map(({ id }) => id)
        .sort()
        .reverse(),
    );
    expect((await projects.search('5', 'two')).items.map(({ name }) => name)).toEqual([
      'ALPHA two',
    ]);
    expect(await projects.search('6', 'alphabet')).toEqual({ items: [], total: 0 });
  });

  it('matches every character literally', async () => {
    const names = ['50% off', '50 percent off', 'a_b', 'axb', 'back\\slash', "it's", '%', '_%\\'];
    for (const name of names) await projects.create('7', name, unrecorded);
    const own = (await projects.list('7', { cursor: null, limit: 100 })).items.map(
      ({ name }) => name,
    );
    const part = fc.oneof(
      fc.constantFrom(...names),
      fc.string({
        unit: fc.constantFrom('%', '_', '\\', "'", 'a', 'o', 'B', '5', ' '),
        minLength: 1,
        maxLength: 3,
      }),
    );
    await fc.assert(
      fc.asyncProperty(part, async (text) => {
        const found = await projects.search('7', text);
        const expected = own.filter((name) => name.toLowerCase().includes(text.toLowerCase()));
        expect(found.items.map(({ name }) => name).sort()).toEqual(expected.sort());
      }),
    );
  });

  it('reads every project of the owner, although it returns one page', async () => {
    const plan = await db.query<{ 'QUERY PLAN': { Plan: unknown }[] }>({
      text: `EXPLAIN (ANALYZE, FORMAT json)
             SELECT id, count(*) OVER () FROM projects
              WHERE owner_id = 1 AND name ILIKE '%e%' ORDER BY id DESC LIMIT 20`,
    });
    const { total } = await projects.search('1', 'e');
    expect(total).toBeGreaterThan(100);
    expect(JSON.stringify(plan)).toContain('WindowAgg');
  });

  it('is a route with a route class', () => {
    const route = projectRoutes(projects).find(({ url }) => url === '/projects/search');
    expect(route).toMatchObject({ routeClass: 'search', access: 'session-or-key' });
  });
});

it('users with many projects have realistic ones, the same for the same seed, over the last year', async () => {
  const rows = await db.query<{ owner: string; projects: number; names: number }>({
    text: `SELECT owner_id AS owner, count(*)::int AS projects, count(DISTINCT name)::int AS names
             FROM projects WHERE owner_id IN (1, 2, 3) AND created_at < '2025-10-10' GROUP BY 1 ORDER BY 1`,
  });
  expect(rows).toEqual([
    { owner: '1', projects: 500, names: 500 },
    { owner: '2', projects: 500, names: 500 },
    { owner: '3', projects: 3, names: 3 },
  ]);
  const { items } = await projects.list('1', { cursor: null, limit: 2 });
  expect(items[0]!.name).toMatch(/^[A-Z][a-z]+ [A-Za-z ]+ [A-Z][a-z]+ 500$/);
  expect(items[0]!.createdAt > items[1]!.createdAt).toBe(true);
  const [hash] = await db.query<{ md5: string }>({
    text: `SELECT md5(string_agg(id || name || created_at, ',' ORDER BY id)) FROM projects WHERE owner_id = 2`,
  });
  expect(hash!.md5).toMatchInlineSnapshot(`"5f68512a862158bd7709530f112fa05c"`);
});
