/** What `platform setup` reads of the machine: package manager, rights, missing tools, running Redis services. */
import { readdirSync } from 'node:fs';
import { findProgram } from '../../sim/effects/process/find-program.ts';
import { commandOf, userOf } from '../../sim/effects/process/process-table.ts';
import { accountId } from '../../sim/effects/process/run-user.ts';
import { findRedis } from '../../sim/effects/testbed/stores/redis-process.ts';
import { findChromium } from './doctor-tools.ts';
import type { PackageManager, SetupMachine, Tool } from './setup-plan.ts';

const packageManagers: readonly PackageManager[] = ['apt-get', 'dnf', 'apk', 'brew'];

export function describeSetupMachine(env: NodeJS.ProcessEnv): SetupMachine {
  return {
    manager: packageManagers.find((name) => findProgram(name, env) !== null) ?? null,
    isRoot: process.getuid?.() === 0,
    hasSudo: findProgram('sudo', env) !== null,
    hasGo: findProgram('go', env) !== null,
  };
}

function isPresent(tool: Tool, env: NodeJS.ProcessEnv): boolean {
  switch (tool) {
    case 'redis':
      return Boolean(env.REDIS_URL) || findRedis(env) !== null;
    case 'taskset':
      return process.platform !== 'linux' || findProgram('taskset', env) !== null;
    case 'chromium':
      return findChromium(env) !== null;
    case 'k6':
    case 'clinic':
      return findProgram(tool, env) !== null;
    default:
      return tool satisfies never;
  }
}

export function missingTools(wanted: readonly Tool[], env: NodeJS.ProcessEnv): Tool[] {
  return wanted.filter((tool) => !isPresent(tool, env));
}

/**
 * Pids of Redis servers that run as a system service, under the account of its package (`redis`, `valkey`); the Redis
 * of a testbed runs under another. Empty on a system without /proc.
 */
export function findRedisDaemons(): number[] {
  if (process.platform !== 'linux') return [];
  const accounts = ['redis', 'valkey'].map((name) => accountId('-u', name));
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => /^(redis|valkey)-server/.test(commandOf(pid) ?? ''))
    .filter((pid) => accounts.includes(userOf(pid)));
}
