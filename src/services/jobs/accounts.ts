/**
 * One-shot: real credentials for seeded users; writes [{id, subject, headers, vars, group?}] to `outFile`. Params:
 * `groups`, see account-groups.ts; or `count` sessions, the first `heavyCount` of them of heavy accounts (design and
 * heavyUsers as given to the template), subject the session id, vars project, email, password, session; or both. Of
 * those, light users are taken evenly over the whole population, because the seeded history is skewed along it.
 */
import { writeFile } from 'node:fs/promises';
import { openConnection } from '../gateway/clients.ts';
import { ConfigError, type ParamReader, readParams } from '../gateway/process-config.ts';
import { openRedis } from '../gateway/redis-clients.ts';
import { openSessionKey } from '../gateway/session-key.ts';
import { systemClock, systemRandom } from '../gateway/system.ts';
import { findDesign } from '../lineage.ts';
import type { Database } from '../ports.ts';
import { type SeededSession, seedSessions } from '../sessions/seed-sessions.ts';
import { readGroups } from './account-groups.ts';
import {
  type Account,
  createGroupAccounts,
  readNewestProjects,
  userVars,
} from './group-accounts.ts';
import { runOneShot } from './one-shot.ts';

async function countUsers(db: Database): Promise<number> {
  const [people] = await db.query<{ count: string }>({ text: 'SELECT count(*) FROM users' });
  return Number(people!.count);
}

function chooseUsers(params: ParamReader, users: number): string[] {
  const hasGroups = params.list('groups', []).length > 0;
  const count = params.integer('count', hasGroups ? 0 : undefined);
  const heavyCount = params.integer('heavyCount', 0);
  const heavyUsers = params.integer('heavyUsers', 4);
  const light = users - heavyUsers;
  const lightCount = count - heavyCount;
  if (heavyCount > Math.min(heavyUsers, count) || lightCount > Math.max(light, 0))
    throw new ConfigError(
      `${heavyCount} heavy and ${lightCount} light accounts requested; there are ${heavyUsers} and ${light}`,
    );
  return Array.from({ length: count }, (_, i) =>
    String(
      i < heavyCount ? i + 1 : heavyUsers + 1 + Math.floor(((i - heavyCount) * light) / lightCount),
    ),
  );
}

async function createSessionAccounts(
  sessions: readonly SeededSession[],
  db: Database,
): Promise<Account[]> {
  const projects = await readNewestProjects(
    db,
    sessions.map(({ userId }) => userId),
  );
  return sessions.map(({ userId, sessionId, token }) => ({
    id: userId,
    subject: sessionId,
    headers: { authorization: `Bearer ${token}` },
    vars: { ...userVars(userId, projects), session: sessionId },
  }));
}

await runOneShot(async (config) => {
  const { databaseUrl, redisUrl, redisPrefix, params: rawParams } = config;
  const params = readParams(rawParams, 'params');
  const outFile = params.string('outFile');
  const { sessions: design } = findDesign(params.string('design', 'turn4.after'));
  const db = await openConnection(databaseUrl);
  const population = await countUsers(db);
  const users = chooseUsers(params, population);
  const groups = readGroups(params.list('groups', []), { users: population });
  const redis = openRedis(redisUrl, (error) => process.stderr.write(`redis ${error.message}\n`));
  const keyPrefix = redisPrefix;
  const sessionKey = await openSessionKey(config.stateDirectory);
  const stores = {
    db,
    redis,
    keyPrefix,
    design,
    sessionKey,
    clock: systemClock,
    random: systemRandom,
  };
  const accounts = [
    ...(await createSessionAccounts(await seedSessions(users, stores), db)),
    ...(await createGroupAccounts(groups, stores)),
  ];
  await writeFile(outFile, JSON.stringify(accounts), { mode: 0o600 });
  await Promise.all([db.close(), redis.quit()]);
});
