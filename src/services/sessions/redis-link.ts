/**
 * The connection to Redis that session checks use, behind a breaker. A command that fails or is late opens it: for
 * `breakerOpenMs` nobody asks Redis, then a probe does, so that no request pays for finding out.
 *
 * The probe reads the run id, which names this start of the Redis process. Keys carry it, so what Redis restored
 * from a snapshot is never read. An answer that crossed a reconnect counts as none.
 */
import type { Redis } from 'ioredis';

export class RedisUnavailable extends Error {
  constructor(cause: unknown) {
    super('Redis cannot be used for sessions right now', { cause });
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
  /** Of our own: no offline queue, no retries, a limit on each command. */
  redis: Redis;
  breakerOpenMs: number;
  onBreaker: (open: boolean) => void;
}): RedisLink {
  const { redis, breakerOpenMs, onBreaker } = given;
  let runId: string | null = null;
  let epoch = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  const schedule = (afterMs: number) => {
    if (closed || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void probe();
    }, afterMs);
    timer.unref();
  };

  const probe = async () => {
    if (runId !== null || redis.status !== 'ready') return;
    const started = epoch;
    try {
      const found = /^run_id:(\w+)/m.exec(await redis.info('server'))?.[1];
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
        const reply = await command(redis, runId);
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
