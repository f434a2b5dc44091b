/**
 * What `platform setup` would run, as data: pure, so that the plan is shown, agreed to and tested before anything
 * happens. No step starts a daemon or leaves one enabled for the next boot.
 */

export type PackageManager = 'apt-get' | 'dnf' | 'apk' | 'brew';
export type Tool = 'redis' | 'taskset' | 'chromium' | 'k6' | 'clinic';

export const OPTIONAL_TOOLS: readonly Tool[] = ['chromium', 'k6', 'clinic'];

export interface SetupMachine {
  readonly manager: PackageManager | null;
  readonly isRoot: boolean;
  readonly hasSudo: boolean;
  readonly hasGo: boolean;
}

export interface SetupStep {
  readonly tool: Tool;
  /** What the operator is shown; a shell would do the same with it. */
  readonly shown: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A tool that we cannot install, and what the operator can do. */
export interface Impossible {
  readonly tool: Tool;
  readonly why: string;
  readonly next: string;
}

export interface SetupPlan {
  readonly steps: readonly SetupStep[];
  readonly impossible: readonly Impossible[];
}

const PACKAGES: Readonly<Record<PackageManager, Partial<Record<Tool, string>>>> = {
  'apt-get': { redis: 'redis-server', taskset: 'util-linux', chromium: 'chromium' },
  // Fedora has replaced Redis by Valkey; its package also answers to the old name.
  dnf: { redis: 'redis', taskset: 'util-linux', chromium: 'chromium' },
  apk: { redis: 'redis', taskset: 'util-linux-misc', chromium: 'chromium' },
  brew: { redis: 'redis', k6: 'k6' },
};

const BY_HAND: Readonly<Record<Tool, string>> = {
  redis: 'install Redis or Valkey so that redis-server is on PATH, or set REDIS_URL',
  taskset: 'install util-linux',
  chromium: 'install Chromium or Google Chrome, or set CHROME_PATH',
  k6: 'install k6 from https://grafana.com/docs/k6/latest/set-up/install-k6/',
  clinic: 'npm install --global clinic',
};

/**
 * Debian starts and enables what it installs. policy-rc.d is Debian's own switch against the first; an existing
 * one is left alone. What the package enabled for the next boot is disabled again.
 */
const APT_REDIS = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
install() { apt-get install -y --no-install-recommends redis-server; }
install || { apt-get update && install; } || exit
if command -v systemctl > /dev/null; then systemctl disable --quiet redis-server.service; fi
if command -v update-rc.d > /dev/null; then update-rc.d redis-server disable; fi
exit 0
`.trim();

interface Recipe {
  readonly script: string;
  readonly shown: string;
  readonly env?: Readonly<Record<string, string>>;
}

function recipeOf(manager: PackageManager, tool: Tool, name: string): Recipe {
  switch (manager) {
    case 'apt-get': {
      const shown = `apt-get install -y --no-install-recommends ${name}`;
      const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
      if (tool === 'redis') return { script: APT_REDIS, shown, env };
      return { script: `${shown} || { apt-get update && ${shown}; }`, shown, env };
    }
    case 'dnf':
      return { script: `dnf install -y ${name}`, shown: `dnf install -y ${name}` };
    case 'apk':
      return { script: `apk add --no-cache ${name}`, shown: `apk add --no-cache ${name}` };
    case 'brew':
      return { script: `brew install ${name}`, shown: `brew install ${name}` };
    default:
      return manager satisfies never;
  }
}

/** A step that changes the system: as root, by sudo, or not at all. */
function systemStep(tool: Tool, manager: PackageManager, name: string, machine: SetupMachine) {
  const { script, shown, env = {} } = recipeOf(manager, tool, name);
  const needsRoot = manager !== 'brew' && !machine.isRoot;
  if (!needsRoot) return { tool, shown, command: 'sh', args: ['-c', script], env };
  // sudo drops the environment, so the settings go behind it.
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const args = ['env', ...settings, 'sh', '-c', script];
  return { tool, shown: `sudo ${shown}`, command: 'sudo', args, env: {} };
}

function planTool(tool: Tool, machine: SetupMachine): SetupStep | Impossible {
  const { manager } = machine;
  if (tool === 'clinic') {
    const shown = 'npm install --global clinic';
    return { tool, shown, command: 'npm', args: shown.split(' ').slice(1), env: {} };
  }
  const name = manager === null ? undefined : PACKAGES[manager][tool];
  if (manager === 'brew' && machine.isRoot) {
    return { tool, why: 'Homebrew refuses to run as root', next: `brew install ${name ?? tool}` };
  }
  if (manager !== null && name !== undefined) {
    if (manager === 'brew' || machine.isRoot || machine.hasSudo) {
      return systemStep(tool, manager, name, machine);
    }
    const { shown } = recipeOf(manager, tool, name);
    return { tool, why: 'this needs root, and there is no sudo', next: `su -c '${shown}'` };
  }
  if (tool === 'k6' && machine.hasGo) {
    const shown = 'go install go.k6.io/k6@latest';
    const env: Record<string, string> = machine.isRoot ? { GOBIN: '/usr/local/bin' } : {};
    return { tool, shown, command: 'go', args: shown.split(' ').slice(1), env };
  }
  const why = manager === null ? 'no apt-get, dnf, apk or brew here' : `${manager} has no ${tool}`;
  return { tool, why, next: BY_HAND[tool] };
}

export function planSetup(missing: readonly Tool[], machine: SetupMachine): SetupPlan {
  const planned = missing.map((tool) => planTool(tool, machine));
  return {
    steps: planned.filter((one): one is SetupStep => 'command' in one),
    impossible: planned.filter((one): one is Impossible => !('command' in one)),
  };
}
