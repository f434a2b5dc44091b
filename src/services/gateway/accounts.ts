/**
 * One-shot: real sessions for `count` seeded users, the first `heavyCount` of them heavy accounts; writes
 * [{id, headers, vars}] to `outFile`. Light users are taken evenly over the whole population, because
 * the seeded history is skewed along it. Params also: design, heavyUsers as given to the template.
 */
import { writeFile } from 'node:fs/promises';
import { findDesign } from '../design.ts';
import type { Database } from '../ports.ts';
import type { SessionStore } from '../sessions/contract.ts';
import { createSessionStore } from '../sessions/session-store.ts';
import { openConnection, openRedis } from './clients.ts';
import { runOneShot } from './one-shot.ts';
import { ConfigError, readParams } from './process-config.ts';
import { systemClock, systemRandom } from './system.ts';

/** Enough to fill the pipeline, few enough to stay small. */
const chunk = 500;

async function chooseUsers(
  db: Database,
  { count, heavyCount, heavyUsers }: { count: number; heavyCount: number; heavyUsers: number },
): Promise<string[]> {
  const [people] = await db.query<{ count: string }>({ text: 'SELECT count(*) FROM users' });
  const light = Number(people!.count) - heavyUsers;
  const lightCount = count - heavyCount;
  if (heavyCount > Math.min(heavyUsers, count) || lightCount > light)
    throw new ConfigError(
      `${heavyCount} heavy and ${lightCount} light accounts asked for; there are ${heavyUsers} and ${light}`,
    );
  return Array.from({ length: count }, (_, i) =>
    String(
      i < heavyCount ? i + 1 : heavyUsers + 1 + Math.floor(((i - heavyCount) * light) / lightCount),
    ),
  );
}

async function accountsOf(users: readonly string[], db: Database, sessions: SessionStore) {
  const projects = await db.query<{ owner: string; id: string }>({
    text: `SELECT DISTINCT ON (owner_id) owner_id AS owner, id FROM projects
            WHERE owner_id = ANY($1::bigint[]) ORDER BY owner_id, id DESC`,
    values: [users],
  });
  const projectOf = new Map(projects.map(({ owner, id }) => [owner, id]));
  const accounts: unknown[] = [];
  for (let start = 0; start < users.length; start += chunk) {
    const made = users.slice(start, start + chunk).map(async (id) => {
      const { token } = await sessions.create(id);
      const headers = { authorization: `Bearer ${token}` };
      return { id, headers, vars: { project: projectOf.get(id) ?? '' } };
    });
    accounts.push(...(await Promise.all(made)));
  }
  return accounts;
}

await runOneShot(async ({ databaseUrl, redisUrl, redisPrefix, params: given }) => {
  const params = readParams(given, 'params');
  const outFile = params.string('outFile');
  const wanted = {
    count: params.integer('count'),
    heavyCount: params.integer('heavyCount', 0),
    heavyUsers: params.integer('heavyUsers', 4),
  };
  const design = findDesign(params.string('design', 'turn4.after'));
  const db = await openConnection(databaseUrl);
  const redis = openRedis(redisUrl, (error) => process.stderr.write(`redis ${error.message}\n`));
  const sessions = createSessionStore({
    redis,
    keyPrefix: redisPrefix,
    clock: systemClock,
    random: systemRandom,
    design: design.sessions,
  });
  const accounts = await accountsOf(await chooseUsers(db, wanted), db, sessions);
  await writeFile(outFile, JSON.stringify(accounts), { mode: 0o600 });
  await Promise.all([db.close(), redis.quit()]);
});
