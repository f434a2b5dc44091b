/**
 * The usual stack, put together as its manuals say: express-session over connect-redis, rate-limiter-flexible over the
 * same client, and one INSERT for each request, awaited before the answer. It counts the user alone, in fixed windows;
 * its audit row has the columns and the indexes of ours before the chain. In a process of its own; argument:
 * {databaseUrl, redisUrl, redisPrefix, secret, limit} as JSON. Tells its address over IPC and ends with the channel.
 */
import { randomUUID } from 'node:crypto';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import pg from 'pg';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { createClient } from 'redis';

const { databaseUrl, redisUrl, redisPrefix, secret, limit } = JSON.parse(process.argv[2] ?? '{}');

const redis = createClient({ url: redisUrl });
redis.on('error', (error) => console.error(error));
await redis.connect();
const pool = new pg.Pool({ connectionString: databaseUrl });
const limiter = new RateLimiterRedis({
  storeClient: redis,
  useRedisPackage: true,
  keyPrefix: `${redisPrefix}limit`,
  points: limit,
  duration: 60,
});

const app = express();
app.use(
  session({
    store: new RedisStore({ client: redis, prefix: `${redisPrefix}sess:` }),
    secret,
    resave: false,
    saveUninitialized: false,
  }),
);
app.use((request, response, next) => {
  if (request.session.userId) next();
  else response.status(401).json({ error: 'log in first' });
});
app.use(async (request, response, next) => {
  try {
    const { remainingPoints, msBeforeNext } = await limiter.consume(request.session.userId);
    response.set({
      'X-RateLimit-Limit': limit,
      'X-RateLimit-Remaining': remainingPoints,
      'X-RateLimit-Reset': new Date(Date.now() + msBeforeNext).toUTCString(),
    });
    next();
  } catch {
    response.status(429).json({ error: 'too many requests' });
  }
});
app.use(async (request, _response, next) => {
  await pool.query(
    `INSERT INTO audit_logs (event_id, user_id, occurred_at, action, resource_type, resource_id, outcome, ip, request_id, user_agent)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      ...[randomUUID(), request.session.userId, new Date(), 'session.read', 'session', null],
      ...['success', request.ip, randomUUID(), request.get('user-agent')],
    ],
  );
  next();
});
app.get('/session', (request, response) => {
  response.json({ userId: request.session.userId, sessionId: request.sessionID });
});

const server = app.listen(0, '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.send?.({ url: `http://127.0.0.1:${address.port}` });
});
process.on('disconnect', () => process.exit());
