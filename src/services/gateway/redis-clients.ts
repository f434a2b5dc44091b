/** Connections to Redis as the gateway wants them, each with a limit on every wait. */
import { Redis } from 'ioredis';

/**
 * A connection for what a request waits on: nothing waits in line for a Redis that is not there, nothing is sent
 * twice, and a connection on which nothing comes back is replaced.
 */
function openShortWaitRedis(
  redisUrl: string,
  limits: {
    /** Left out when the caller has a limit of its own. */
    commandTimeout?: number;
    socketTimeout: number;
    connectTimeout: number;
  },
  onError: (error: Error) => void,
): Redis {
  if (redisUrl === '') throw new Error('redisUrl is empty, and this process needs Redis');
  const redis = new Redis(redisUrl, {
    // Who asks here asks for many at once already, and must not wait for another turn of the event loop.
    enableAutoPipelining: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50,
    ...limits,
  });
  // Down for a minute is one message, not a thousand.
  let told = '';
  redis.on('ready', () => {
    told = '';
  });
  redis.on('error', (error) => {
    if (error.message !== told) onError(error);
    told = error.message;
  });
  return redis;
}

export function openSessionRedis(
  redisUrl: string,
  { redisTimeoutMs }: { redisTimeoutMs: number },
  onError: (error: Error) => void,
): Redis {
  const limits = {
    commandTimeout: redisTimeoutMs,
    socketTimeout: 2 * redisTimeoutMs,
    connectTimeout: 5 * redisTimeoutMs,
  };
  return openShortWaitRedis(redisUrl, limits, onError);
}

/** Its link keeps the limit on a command; the socket's catches a way to Redis that swallows everything. */
export function openLimitRedis(
  redisUrl: string,
  { redisTimeoutMs }: { redisTimeoutMs: number },
  onError: (error: Error) => void,
): Redis {
  const limits = { socketTimeout: 10 * redisTimeoutMs, connectTimeout: 5 * redisTimeoutMs };
  return openShortWaitRedis(redisUrl, limits, onError);
}

export function openRedis(redisUrl: string, onError: (error: Error) => void): Redis {
  // An empty address would be localhost:6379, whoever listens there.
  if (redisUrl === '') throw new Error('redisUrl is empty, and this process needs Redis');
  const redis = new Redis(redisUrl, {
    // Commands issued in one turn of the event loop travel together.
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    commandTimeout: 2_000,
    connectTimeout: 5_000,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1_000),
  });
  redis.on('error', onError);
  return redis;
}
