// 13.10: what an operator's server lacks is found before the first write: nothing is there afterwards.
import path from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EnvironmentError } from '../../../../errors.ts';
import type { RedisSpec } from '../../../../topology.ts';
import { makeScratch, type Scratch } from '../../fixtures/bed.ts';
import { type NodeBed, openNodeBed } from '../../fixtures/node-context.ts';
import { dropOptions, hasPgbouncer, type Pooler, startPgbouncer } from '../../fixtures/poolers.ts';
import { ownPostgres, ownRedis } from '../../fixtures/stores.ts';

const postgres = ownPostgres('refused-postgres');
const redis = ownRedis('refused-redis');
let scratch: Scratch;
beforeAll(async () => {
  scratch = await makeScratch();
});
afterAll(() => scratch.remove());

const onPostgres = async (text: string) => {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
};
const onRedis = async <T>(work: (client: Redis) => Promise<T>): Promise<T> => {
  const client = new Redis(redis.url);
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
};

/** Schemas, tables of public, roles and keys: whatever a run could have left. */
async function everything() {
  const rows = await onPostgres(`
    SELECT 'schema ' || nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
    UNION ALL SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'role ' || rolname FROM pg_roles`);
  const keys = await onRedis(async (client) => {
    const found: string[] = [];
    for (let database = 0; database < 16; database += 1) {
      await client.select(database);
      found.push(...(await client.keys('*')));
    }
    return found;
  });
  return [...rows.map(({ name }) => String(name)), ...keys].sort();
}

/** Starts the node with these variables, as a run does. */
async function start(kind: 'postgres' | 'redis', more: NodeJS.ProcessEnv) {
  const spec =
    kind === 'redis'
      ? ({ kind, replaceable: true } as const)
      : ({
          kind,
          replaceable: true,
          template: [
            {
              name: 'template',
              module: path.resolve('src/sim/effects/testbed/fixtures/template.mjs'),
            },
          ],
        } as const);
  const bed = await openNodeBed({ store: spec }, { env: { ...scratch.env, ...more } });
  try {
    const { address } = await bed.start('store');
    return { address, during: await everything() };
  } finally {
    await bed.stop();
  }
}

/** Every role and user of these tests has this password. */
const PASSWORD = 'x';
function urlAs(user: string, address: string): string {
  const url = new URL(address);
  url.username = user;
  url.password = PASSWORD;
  return url.toString();
}

async function expectRefusal(kind: 'postgres' | 'redis', url: string, why: RegExp, next: RegExp) {
  const before = await everything();
  const name = kind === 'postgres' ? 'DATABASE_URL' : 'REDIS_URL';
  const error = await start(kind, { [name]: url }).then(
    () => new Error('it was used'),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(EnvironmentError);
  const [what, evidence, help, ...more] = error.toLines().split('\n');
  expect(what).toMatch(new RegExp(`^cannot use ${name} `));
  expect(evidence).toMatch(why);
  expect(help).toMatch(next);
  expect(more).toEqual([]);
  expect(await everything()).toEqual(before);
}

it('a server that has everything is used, and nothing stays', async () => {
  const before = await everything();
  const used = await start('postgres', { DATABASE_URL: postgres.url });
  expect(used.during).toContain(`schema ${used.address.namespace}`);
  await start('redis', { REDIS_URL: `${redis.url}/7` });
  expect(await everything()).toEqual(before);
});

describe('PostgreSQL', () => {
  let pooler: Pooler | null = null;
  afterEach(async () => {
    await pooler?.stop();
    pooler = null;
  });
  const NO_POOLER = /^next: DATABASE_URL=<the address of the server, not of its pooler>/;

  it('behind a pooler that drops the startup options', async () => {
    pooler = await dropOptions(postgres.url);
    await expectRefusal(
      'postgres',
      pooler.url,
      /do not keep their search_path.*another schema/,
      NO_POOLER,
    );
  });

  it.skipIf(!hasPgbouncer)('behind pgbouncer that drops them (needs pgbouncer)', async () => {
    pooler = await startPgbouncer(postgres.url, ['ignore_startup_parameters = options']);
    await expectRefusal('postgres', pooler.url, /do not keep their search_path/, NO_POOLER);
  });

  it.skipIf(!hasPgbouncer)('behind pgbouncer that refuses them (needs pgbouncer)', async () => {
    pooler = await startPgbouncer(postgres.url, []);
    await expectRefusal('postgres', pooler.url, /a pooler refuses/, NO_POOLER);
  });

  it('with a role that may not create a schema', async () => {
    await onPostgres(`CREATE ROLE reader LOGIN PASSWORD '${PASSWORD}'`);
    const url = urlAs('reader', postgres.url);
    await expectRefusal(
      'postgres',
      url,
      /the role reader may not create a schema in the database postgres$/,
      /^next: GRANT CREATE ON DATABASE "postgres" TO "reader"$/,
    );
    await onPostgres('GRANT CREATE ON DATABASE postgres TO reader');
    const used = await start('postgres', { DATABASE_URL: url });
    expect(used.address.namespace).toMatch(/^platform_node_/);
    await onPostgres('DROP OWNED BY reader');
    await onPostgres('DROP ROLE reader');
  });

  it('with a role that is read-only', async () => {
    await onPostgres(`CREATE ROLE still LOGIN SUPERUSER PASSWORD '${PASSWORD}'`);
    await onPostgres('ALTER ROLE still SET default_transaction_read_only = on');
    const url = urlAs('still', postgres.url);
    await expectRefusal('postgres', url, /default_transaction_read_only is on/, /takes writes/);
    await onPostgres('DROP ROLE still');
  });

  it('with too few connections for the role', async () => {
    await onPostgres(
      `CREATE ROLE narrow LOGIN SUPERUSER CONNECTION LIMIT 8 PASSWORD '${PASSWORD}'`,
    );
    await onPostgres('ALTER ROLE narrow NOSUPERUSER');
    await onPostgres('GRANT CREATE ON DATABASE postgres TO narrow');
    const url = urlAs('narrow', postgres.url);
    await expectRefusal('postgres', url, /^7 connections are free there, a run needs 20$/, /close/);
    await onPostgres('DROP OWNED BY narrow');
    await onPostgres('DROP ROLE narrow');
  });
});

describe('a standby', () => {
  let bed: NodeBed;
  beforeAll(async () => {
    bed = await openNodeBed({
      primary: { kind: 'postgres', settings: { shared_buffers: '16MB' } },
      standby: { kind: 'postgres', standbyOf: 'primary', settings: { shared_buffers: '16MB' } },
    });
    await bed.start('primary');
    await bed.start('standby');
  }, 120_000);
  afterAll(() => bed.stop());

  it('of PostgreSQL takes no writes', async () => {
    const { url } = bed.started.get('standby')!.address;
    await expectRefusal(
      'postgres',
      url.split('?')[0]!,
      /it is a standby, which takes no writes/,
      /takes writes/,
    );
  });
});

describe('Redis', () => {
  const PRIMARY = /^next: REDIS_URL=<a primary that is not in a cluster>/;

  it('without the database that is asked for: the client library would go on in database 0', async () => {
    await expectRefusal(
      'redis',
      `${redis.url}/99`,
      /selects database 0 where 99 was asked for/,
      /a database it has/,
    );
    await expectRefusal(
      'redis',
      `${redis.url}/?db=99`,
      /selects database 0 where 99/,
      /a database it has/,
    );
    await expectRefusal(
      'redis',
      `${redis.url}/mine`,
      /not the number of a database/,
      /unset REDIS_URL/,
    );
  });

  it('that would evict what a run stores', async () => {
    await onRedis((client) =>
      client.config('SET', 'maxmemory', '64mb', 'maxmemory-policy', 'allkeys-lru'),
    );
    await expectRefusal(
      'redis',
      redis.url,
      /may evict.*allkeys-lru/,
      /maxmemory-policy noeviction/,
    );
    await onRedis((client) =>
      client.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction'),
    );
  });

  it('whose memory is full', async () => {
    await onRedis((client) => client.config('SET', 'maxmemory', '1'));
    await expectRefusal('redis', redis.url, /refuses SET below ps:.*OOM/, /^next: /);
    await onRedis((client) => client.config('SET', 'maxmemory', '0'));
  });

  it('with a user that may not write below the prefix', async () => {
    await onRedis((client) =>
      client.call('ACL', 'SETUSER', 'guest', 'on', `>${PASSWORD}`, '~other:*', '+@all'),
    );
    const url = urlAs('guest', redis.url);
    await expectRefusal('redis', url, /refuses SET below ps:.*(NOPERM|permission)/i, /~ps:\*/);
    await onRedis((client) =>
      client.call('ACL', 'SETUSER', 'guest', 'resetkeys', '~ps:*', '-@dangerous', '+info'),
    );
    await start('redis', { REDIS_URL: url });
    await onRedis((client) => client.call('ACL', 'DELUSER', 'guest'));
  });

  it.each([
    ['a cluster', 'cluster', /cluster mode/],
    ['a replica', 'replica', /it is a replica/],
  ] as const)('that is part of %s', async (_what, mode, why) => {
    const spec: RedisSpec = { kind: 'redis', mode };
    await using bed = await openNodeBed({ many: spec });
    const { address } = await bed.start('many');
    await expectRefusal('redis', address.urls.at(-1)!, why, PRIMARY);
  });
});

it('an address without a scheme', async () => {
  await expectRefusal('redis', '127.0.0.1:6379', /starts with redis:/, /unset REDIS_URL/);
  await expectRefusal(
    'postgres',
    '127.0.0.1:5432/app',
    /starts with postgres:/,
    /unset DATABASE_URL/,
  );
});
