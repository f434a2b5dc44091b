/**
 * A connection to Redis behind a breaker. A command that fails or is late opens it: for `breakerOpenMs` nobody asks
 * Redis, then a probe does, so that no request pays for finding out.
 *
 * The probe reads the run id, which names this start of the Redis process, so that what Redis restored from a snapshot,
 * or has forgotten, can be told apart. An answer that crossed a reconnect counts as none.
 *
 * With `timeoutMs` the limit on a command is kept here, and only after the event loop has read what had arrived: a
 * process that stood still has not found Redis slow. The first that is late takes all that wait with it.
 */
import type { Redis } from 'ioredis';

export class RedisUnavailable extends Error {
  constructor(cause: unknown) {
    super('Redis cannot be used right now', { cause });
    this.name = 'RedisUnavailable';
  }
}

export interface RedisLink {
  /** Names the Redis process; null while it is not to be asked. */
  runId(): string | null;
  /** @throws RedisUnavailable */
  run<Reply>(command: (redis: Redis, runId: string) => Promise<Reply>): Promise<Reply>;
  close(): void;
}

export function createRedisLink(given: {
  /** Of our own: no offline queue, no retries, and a limit on each command unless `timeoutMs` is one. */
  redis: Redis;
  breakerOpenMs: number;
  timeoutMs?: number;
  onBreaker: (open: boolean) => void;
}): RedisLink {
  const { redis, breakerOpenMs, timeoutMs, onBreaker } = given;
  let runId: string | null = null;
  let epoch = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let abandon = new Set<(cause: Error) => void>();

  const schedule = (afterMs: number) => {
    if (closed || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void probe();
    }, afterMs);
    timer.unref();
  };

  const inTime = <Reply>(reply: Promise<Reply>): Promise<Reply> => {
    if (timeoutMs === undefined) return reply;
    return new Promise((resolve, reject) => {
      let late: NodeJS.Timeout;
      const wait = (onceMore: boolean) => {
        const dueMs = performance.now() + timeoutMs;
        late = setTimeout(() => {
          // We stood still: the command may not even have been written.
          if (onceMore && performance.now() - dueMs > timeoutMs / 2) wait(false);
          else setImmediate(() => reject(new Error(`no answer within ${timeoutMs} ms`)));
        }, timeoutMs);
      };
      wait(true);
      abandon.add(reject);
      reply.then(resolve, reject).finally(() => {
        clearTimeout(late);
        abandon.delete(reject);
      });
    });
  };

  const probe = async () => {
    if (closed || runId !== null || redis.status !== 'ready') return;
    const started = epoch;
    try {
      const found = /^run_id:(\w+)/m.exec(await inTime(redis.info('server')))?.[1];
      if (epoch === started && found && !closed) {
        runId = found.slice(0, 12);
        onBreaker(false);
      } else schedule(breakerOpenMs);
    } catch {
      schedule(breakerOpenMs);
    }
  };

  const open = () => {
    epoch += 1;
    const waiting = abandon;
    abandon = new Set();
    for (const reject of waiting) reject(new Error('the breaker opened meanwhile'));
    if (runId !== null) {
      runId = null;
      onBreaker(true);
    }
    schedule(breakerOpenMs);
  };

  const onReady = () => schedule(0);
  redis.on('close', open);
  redis.on('ready', onReady);
  if (redis.status === 'ready') onReady();

  return {
    runId: () => runId,
    async run(command) {
      if (runId === null) throw new RedisUnavailable(new Error('the breaker is open'));
      const started = epoch;
      try {
        const reply = await inTime(command(redis, runId));
        if (epoch === started) return reply;
        throw new Error('the connection changed meanwhile');
      } catch (cause) {
        if (epoch === started) open();
        throw new RedisUnavailable(cause);
      }
    },
    close() {
      closed = true;
      clearTimeout(timer);
      redis.off('close', open);
      redis.off('ready', onReady);
    },
  };
}
