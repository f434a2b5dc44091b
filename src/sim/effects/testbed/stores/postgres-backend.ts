/** Signals one backend of a PostgreSQL server, found through pg_stat_activity. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlSignal } from '../../process/controlled-process.ts';
import { sendSignal, startTimeOf } from '../../process/process-table.ts';
import { withPostgres } from './postgres-client.ts';

const LIMIT_MS = 2_000;
/** A statement takes less than a millisecond, so a busy backend is found only by polling often. */
const MAX_POLLS = 50;
const POLL_INTERVAL_MS = 5;

const MOST_ACTIVE_BACKEND = `
  SELECT pid, state FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
  ORDER BY state = 'active' DESC, state LIKE 'idle in%' DESC, state_change DESC NULLS LAST
  LIMIT 1`;

interface Backend {
  readonly pid: number;
  readonly isBusy: boolean;
}

/** Calls `use` with a busy backend if one appears while polling, else with the one that was busy last. */
async function withBackend<T>(url: string, use: (backend: Backend) => T): Promise<T> {
  return await withPostgres(url, LIMIT_MS, async (client) => {
    for (let pollsLeft = MAX_POLLS; ; pollsLeft -= 1) {
      const { rows } = await client.query<{ pid: number; state: string }>(MOST_ACTIVE_BACKEND);
      const found = rows[0];
      const isBusy = found !== undefined && found.state !== 'idle';
      if (found && (isBusy || pollsLeft === 0)) return use({ pid: found.pid, isBusy });
      if (pollsLeft === 0) throw new Error('no client is connected to PostgreSQL');
      await sleep(POLL_INTERVAL_MS);
    }
  });
}

/** Resolves, when the signal has taken effect, with a text that names the backend. */
export async function signalBackend(url: string, signal: ControlSignal): Promise<string> {
  const { pid, isBusy } = await withBackend(url, (backend) => {
    if (!sendSignal(backend.pid, signal)) throw new Error(`backend ${backend.pid} has just ended`);
    return backend;
  });
  if (signal === 'SIGKILL' || signal === 'SIGTERM') {
    const deadline = performance.now() + LIMIT_MS;
    while (startTimeOf(pid) !== null) {
      if (performance.now() > deadline) throw new Error(`backend ${pid} does not end`);
      await sleep(2);
    }
  }
  return `${signal} to ${isBusy ? 'busy' : 'idle'} backend ${pid}`;
}
