// 13.10: statement statistics are somebody else's, too: they are subtracted, never reset; without them nothing is lost.
import pg from 'pg';
import { beforeEach, expect, it } from 'vitest';
import { ownPostgres } from '../testbed/fixtures/stores.ts';
import { connectPostgresObserver } from './postgres.ts';

const server = ownPostgres('observer');

async function on(text: string, url = server.url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

const PASSWORD = 'of a role';
const urlOf = (user: string) => {
  const url = new URL(server.url);
  url.username = user;
  url.password = PASSWORD;
  return url.toString();
};
const callsOf = async (text: string) =>
  (
    await on(
      `SELECT calls::int FROM pg_stat_statements WHERE query LIKE '%${text}%' AND query NOT LIKE '%pg_stat%'`,
    )
  )[0]?.calls;

/** What is observed of a phase in which `work` runs. */
async function observe(work: () => Promise<unknown>, url = server.url) {
  const observer = await connectPostgresObserver(url);
  try {
    await observer.begin();
    await work();
    return await observer.end();
  } finally {
    await observer.close();
  }
}

beforeEach(async () => {
  await on('DROP EXTENSION IF EXISTS pg_stat_statements');
  await on('CREATE EXTENSION pg_stat_statements SCHEMA public');
  await on('SELECT pg_stat_statements_reset()');
});

it('counts the statements of the phase alone, and leaves the statistics as they were', async () => {
  for (let call = 0; call < 5; call += 1) await on('SELECT 1 AS both');
  await on('SELECT now() AS before_only');
  const { statements } = await observe(async () => {
    for (let call = 0; call < 3; call += 1) await on('SELECT 1 AS both');
  });
  expect(statements?.map(({ query, calls }) => [query, calls])).toEqual([['SELECT $1 AS both', 3]]);
  expect(await callsOf('both')).toBe(8);
  expect(await callsOf('before_only')).toBe(1);
});

it('counts from nothing where another reader has reset them meanwhile', async () => {
  for (let call = 0; call < 5; call += 1) await on('SELECT 1 AS both');
  const { statements } = await observe(async () => {
    await on('SELECT pg_stat_statements_reset()');
    await on('SELECT 1 AS both');
  });
  expect(statements?.map(({ query, calls }) => [query, calls])).toEqual([['SELECT $1 AS both', 1]]);
});

it('finds the view in whatever schema it is', async () => {
  await on('DROP EXTENSION pg_stat_statements');
  await on('CREATE SCHEMA IF NOT EXISTS "Other"');
  await on('CREATE EXTENSION pg_stat_statements SCHEMA "Other"');
  const { statements } = await observe(() => on('SELECT 1 AS found'));
  expect(statements?.[0]?.query).toBe('SELECT $1 AS found');
  await on('DROP SCHEMA "Other" CASCADE');
});

it('says why no statement is named, and samples all the same', async () => {
  await on('DROP EXTENSION pg_stat_statements');
  const without = await observe(() => on('SELECT pg_sleep(0.5)'));
  expect(without).toMatchObject({
    statements: null,
    withoutStatements: 'the extension pg_stat_statements is not in this database',
  });
  expect(without.lockWaits.samples).toBeGreaterThan(0);

  await on('CREATE EXTENSION pg_stat_statements SCHEMA public');
  await on(`CREATE ROLE plain LOGIN PASSWORD '${PASSWORD}'`);
  await on('REVOKE ALL ON pg_stat_statements FROM PUBLIC');
  const refused = await observe(() => on('SELECT 1'), urlOf('plain'));
  expect(refused.statements).toBeNull();
  expect(refused.withoutStatements).toMatch(/cannot be read: permission denied/);
});

it('names the statements of a role without rights of its own, and says when it sees only those of others', async () => {
  await on(`CREATE ROLE modest LOGIN PASSWORD '${PASSWORD}'`);
  const own = await observe(() => on('SELECT 1 AS mine', urlOf('modest')), urlOf('modest'));
  expect(own.statements?.map(({ query }) => query)).toEqual(['SELECT $1 AS mine']);
  const others = await observe(() => on('SELECT 1 AS theirs'), urlOf('modest'));
  expect(others.statements).toBeNull();
  expect(others.withoutStatements).toMatch(/may not read the statements there/);
});
