/**
 * A connection to Redis behind a circuit breaker. A command that fails or times out opens it: for `breakerOpenMs` no
 * command is sent, then a probe is, so that no request waits for the test.
 *
 * The probe reads the run id, which is new after each start of Redis, so that data that was lost or restored from a
 * snapshot is recognised. An answer that arrives after a reconnect counts as a failure.
 *
 * With `timeoutMs` a command times out here, and only after the event loop has read what had arrived: a pause of this
 * process does not count as a slow Redis. The first timeout rejects all commands in flight.
 *
 * Not a breaker of a library, though its cost would be small (cockatiel: 0.3 us a call): those test with a request of a
 * user, and know neither the run id nor a pause of the process.
 */
import type { Redis } from 'ioredis';

export class RedisUnavailable extends Error {
  constructor(cause: unknown) {
    super('Redis cannot be used right now', { cause });
    this.name = 'RedisUnavailable';
  }
}

export interface RedisLink {
  /** Identifies the Redis process; null while the breaker is open. */
  runId(): string | null;
  /** @throws RedisUnavailable */
  run<Reply>(command: (redis: Redis, runId: string) => Promise<Reply>): Promise<Reply>;
  close(): void;
}

export function createRedisLink(options: {
  /** Not shared: without offline queue and retries, and with a command timeout unless `timeoutMs` is given. */
  redis: Redis;
  breakerOpenMs: number;
  timeoutMs?: number;
  onBreaker: (isOpen: boolean) => void;
}): RedisLink {
  const { redis, breakerOpenMs, timeoutMs, onBreaker } = options;
  let runId: string | null = null;
  let epoch = 0;
  let isClosed = false;
  let probeTimer: NodeJS.Timeout | undefined;
  let pendingRejects = new Set<(cause: Error) => void>();

  const scheduleProbe = (afterMs: number) => {
    if (isClosed || probeTimer) return;
    probeTimer = setTimeout(() => {
      probeTimer = undefined;
      void probe();
    }, afterMs);
    probeTimer.unref();
  };

  const withCommandTimeout = <Reply>(reply: Promise<Reply>): Promise<Reply> => {
    if (timeoutMs === undefined) return reply;
    return new Promise((resolve, reject) => {
      let timeout: NodeJS.Timeout;
      const wait = (canExtend: boolean) => {
        const dueMs = performance.now() + timeoutMs;
        timeout = setTimeout(() => {
          // This process was paused: the command may not have been written yet.
          if (canExtend && performance.now() - dueMs > timeoutMs / 2) wait(false);
          else setImmediate(() => reject(new Error(`no answer within ${timeoutMs} ms`)));
        }, timeoutMs);
      };
      wait(true);
      pendingRejects.add(reject);
      reply.then(resolve, reject).finally(() => {
        clearTimeout(timeout);
        pendingRejects.delete(reject);
      });
    });
  };

  const probe = async () => {
    if (isClosed || runId !== null || redis.status !== 'ready') return;
    const startEpoch = epoch;
    try {
      const found = /^run_id:(\w+)/m.exec(await withCommandTimeout(redis.info('server')))?.[1];
      if (epoch === startEpoch && found && !isClosed) {
        runId = found.slice(0, 12);
        onBreaker(false);
      } else scheduleProbe(breakerOpenMs);
    } catch {
      scheduleProbe(breakerOpenMs);
    }
  };

  const openBreaker = () => {
    epoch += 1;
    const rejects = pendingRejects;
    pendingRejects = new Set();
    for (const reject of rejects) reject(new Error('the breaker opened meanwhile'));
    if (runId !== null) {
      runId = null;
      onBreaker(true);
    }
    scheduleProbe(breakerOpenMs);
  };

  const onReady = () => scheduleProbe(0);
  redis.on('close', openBreaker);
  redis.on('ready', onReady);
  if (redis.status === 'ready') onReady();

  return {
    runId: () => runId,
    async run(command) {
      if (runId === null) throw new RedisUnavailable(new Error('the breaker is open'));
      const startEpoch = epoch;
      try {
        const reply = await withCommandTimeout(command(redis, runId));
        if (epoch === startEpoch) return reply;
        throw new Error('the connection changed meanwhile');
      } catch (cause) {
        if (epoch === startEpoch) openBreaker();
        throw new RedisUnavailable(cause);
      }
    },
    close() {
      isClosed = true;
      clearTimeout(probeTimer);
      redis.off('close', openBreaker);
      redis.off('ready', onReady);
    },
  };
}
