/** Connections to Redis, each with a timeout on every wait. */
import { Redis } from 'ioredis';

/**
 * A connection for commands that requests wait for: no offline queue, no resends, and a connection without answers is
 * replaced.
 */
function openShortWaitRedis(
  redisUrl: string,
  limits: {
    /** Left out when the caller has a timeout of its own. */
    commandTimeout?: number;
    socketTimeout: number;
    connectTimeout: number;
  },
  onError: (error: Error) => void,
): Redis {
  if (redisUrl === '') throw new Error('redisUrl is empty, and this process needs Redis');
  const redis = new Redis(redisUrl, {
    // Callers batch their commands already, and must not wait another turn of the event loop.
    enableAutoPipelining: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50,
    ...limits,
  });
  // The same error is reported once until the connection is ready again.
  let lastReported = '';
  redis.on('ready', () => {
    lastReported = '';
  });
  redis.on('error', (error) => {
    if (error.message !== lastReported) onError(error);
    lastReported = error.message;
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

/** The Redis link has the timeout for a command; the socket's ends a connection whose packets are dropped. */
export function openLimitRedis(
  redisUrl: string,
  { redisTimeoutMs }: { redisTimeoutMs: number },
  onError: (error: Error) => void,
): Redis {
  const limits = { socketTimeout: 10 * redisTimeoutMs, connectTimeout: 5 * redisTimeoutMs };
  return openShortWaitRedis(redisUrl, limits, onError);
}

export function openRedis(redisUrl: string, onError: (error: Error) => void): Redis {
  // With an empty address ioredis would connect to localhost:6379.
  if (redisUrl === '') throw new Error('redisUrl is empty, and this process needs Redis');
  const redis = new Redis(redisUrl, {
    // Commands of one turn of the event loop are sent together.
    enableAutoPipelining: true,
    maxRetriesPerRequest: 1,
    commandTimeout: 2_000,
    connectTimeout: 5_000,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1_000),
  });
  redis.on('error', onError);
  return redis;
}
