/**
 * One-shot: real sessions for `count` seeded users, the first `heavyCount` of them heavy accounts; writes
 * [{id, subject, headers, vars}] to `outFile`; subject is the session id, vars are project, email, password, session. Light users are taken evenly over the whole population, because
 * the seeded history is skewed along it. Params also: design, heavyUsers as given to the template.
 */
import { writeFile } from 'node:fs/promises';
import { findDesign } from '../lineage.ts';
import type { Database } from '../ports.ts';
import { seedEmail, seedPassword } from '../sessions/seed.ts';
import { type SeededSession, seedSessions } from '../sessions/seed-sessions.ts';
import { openConnection, openRedis } from './clients.ts';
import { runOneShot } from './one-shot.ts';
import { ConfigError, readParams } from './process-config.ts';
import { systemClock, systemRandom } from './system.ts';

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

async function accountsOf(sessions: readonly SeededSession[], db: Database) {
  const projects = await db.query<{ owner: string; id: string }>({
    text: `SELECT DISTINCT ON (owner_id) owner_id AS owner, id FROM projects
            WHERE owner_id = ANY($1::bigint[]) ORDER BY owner_id, id DESC`,
    values: [sessions.map(({ userId }) => userId)],
  });
  const projectOf = new Map(projects.map(({ owner, id }) => [owner, id]));
  return sessions.map(({ userId, sessionId, token }) => ({
    id: userId,
    subject: sessionId,
    headers: { authorization: `Bearer ${token}` },
    vars: {
      project: projectOf.get(userId) ?? '',
      email: seedEmail(Number(userId)),
      password: seedPassword,
      session: sessionId,
    },
  }));
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
  const users = await chooseUsers(db, wanted);
  const sessions = await seedSessions(users, {
    ...{ db, redis, keyPrefix: redisPrefix, clock: systemClock, random: systemRandom },
    design: design.sessions,
  });
  await writeFile(outFile, JSON.stringify(await accountsOf(sessions, db)), { mode: 0o600 });
  await Promise.all([db.close(), redis.quit()]);
});
