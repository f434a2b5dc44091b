/**
 * The processes of a testbed by the names faults use: `redis`, `postgres`, `gateway.2`, and `postgres-backend`,
 * which is whichever single backend is busy. Stores that DATABASE_URL and REDIS_URL name are not ours to touch.
 */
import { EnvironmentError } from '../../errors.ts';
import type { ControlledProcess, ControlSignal } from '../process/controlled-process.ts';
import { strikeBackend } from './postgres-backend.ts';

export const BACKEND = 'postgres-backend';

export interface Processes {
  readonly names: readonly string[];
  /** Throws unless this name can be signalled. */
  assertKnown(name: string): void;
  /** Resolves when the signal has taken effect; tells which process it hit. */
  signal(name: string, signal: ControlSignal): Promise<string>;
  /** Starts it again on the same port: PostgreSQL on its data, Redis empty. A backend is the server's own affair. */
  restart(name: string): Promise<void>;
  /** True, or why it cannot be said to be up. */
  probe(name: string): Promise<true | string>;
  isUp(name: string): Promise<boolean>;
}

export function createProcesses(
  controlled: readonly ControlledProcess[],
  postgresUrl: string,
): Processes {
  const byName = new Map(controlled.map((one) => [one.name, one]));
  const names = [...byName.keys(), ...(byName.has('postgres') ? [BACKEND] : [])];
  const find = (name: string): ControlledProcess => {
    const found = byName.get(name === BACKEND ? 'postgres' : name);
    if (found === undefined) throw unknownProcess(name, names);
    return found;
  };
  const probe = (name: string) => find(name).probe();
  return {
    names,
    assertKnown: (name) => void find(name),
    async signal(name, signal) {
      const target = find(name);
      // Which one was paused need not be remembered: a running one ignores SIGCONT.
      if (name === BACKEND && signal !== 'SIGCONT') return await strikeBackend(postgresUrl, signal);
      const { pid } = target;
      await target.signal(signal);
      return `${signal} to ${name}, process ${pid}`;
    },
    async restart(name) {
      if (name !== BACKEND) await find(name).restart();
    },
    probe,
    isUp: async (name) => (await probe(name)) === true,
  };
}

function unknownProcess(name: string, names: readonly string[]): Error {
  if (['redis', 'postgres', BACKEND].includes(name)) {
    const variable = name === 'redis' ? 'REDIS_URL' : 'DATABASE_URL';
    return new EnvironmentError({
      what: `this scenario ends and restarts ${name}, but ${variable} names a server of its own`,
      why: 'only servers that the run started itself are killed',
      next: `unset ${variable}, then run it again`,
    });
  }
  return new Error(`there is no process ${name}; known: ${names.join(', ')}`);
}
