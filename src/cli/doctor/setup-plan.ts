/**
 * What `platform setup` will run, as data: it is shown and confirmed before anything runs. No step starts a daemon or
 * leaves one enabled for the next boot.
 */

export type PackageManager = 'apt-get' | 'dnf' | 'apk' | 'brew';
export type Tool = 'redis' | 'taskset' | 'chromium' | 'k6' | 'clinic';

export const optionalTools: readonly Tool[] = ['chromium', 'k6', 'clinic'];

export interface SetupMachine {
  readonly manager: PackageManager | null;
  readonly isRoot: boolean;
  readonly hasSudo: boolean;
  readonly hasGo: boolean;
}

export interface SetupStep {
  readonly tool: Tool;
  /** What the operator is shown: an equivalent shell command. */
  readonly displayCommand: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A tool that setup cannot install, and what the operator can do. */
export interface UninstallableTool {
  readonly tool: Tool;
  readonly why: string;
  readonly next: string;
}

export interface SetupPlan {
  readonly steps: readonly SetupStep[];
  readonly uninstallable: readonly UninstallableTool[];
}

const packageNames: Readonly<Record<PackageManager, Partial<Record<Tool, string>>>> = {
  'apt-get': { redis: 'redis-server', taskset: 'util-linux', chromium: 'chromium' },
  // Fedora has replaced Redis by Valkey, whose package also provides the name redis.
  dnf: { redis: 'redis', taskset: 'util-linux', chromium: 'chromium' },
  apk: { redis: 'redis', taskset: 'util-linux-misc', chromium: 'chromium' },
  brew: { redis: 'redis', k6: 'k6' },
};

const manualSteps: Readonly<Record<Tool, string>> = {
  redis: 'install Redis or Valkey so that redis-server is on PATH, or set REDIS_URL',
  taskset: 'install util-linux',
  chromium: 'install Chromium or Google Chrome, or set CHROME_PATH',
  k6: 'install k6 from https://grafana.com/docs/k6/latest/set-up/install-k6/',
  clinic: 'npm install --global clinic',
};

/**
 * Debian starts and enables the services it installs. A policy-rc.d that exits 101 prevents the start; an existing one
 * is kept. The service is disabled afterwards.
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
  readonly displayCommand: string;
  readonly env?: Readonly<Record<string, string>>;
}

function recipeOf(manager: PackageManager, tool: Tool, name: string): Recipe {
  switch (manager) {
    case 'apt-get': {
      const displayCommand = `apt-get install -y --no-install-recommends ${name}`;
      const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
      if (tool === 'redis') return { script: APT_REDIS, displayCommand, env };
      return {
        script: `${displayCommand} || { apt-get update && ${displayCommand}; }`,
        displayCommand,
        env,
      };
    }
    case 'dnf':
      return { script: `dnf install -y ${name}`, displayCommand: `dnf install -y ${name}` };
    case 'apk':
      return { script: `apk add --no-cache ${name}`, displayCommand: `apk add --no-cache ${name}` };
    case 'brew':
      return { script: `brew install ${name}`, displayCommand: `brew install ${name}` };
    default:
      return manager satisfies never;
  }
}

/** A step of the package manager, through sudo unless it needs no root or has it. */
function systemStep(tool: Tool, manager: PackageManager, name: string, machine: SetupMachine) {
  const { script, displayCommand, env = {} } = recipeOf(manager, tool, name);
  const needsRoot = manager !== 'brew' && !machine.isRoot;
  if (!needsRoot) return { tool, displayCommand, command: 'sh', args: ['-c', script], env };
  // sudo drops the environment, so `env` sets it behind sudo.
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const args = ['env', ...settings, 'sh', '-c', script];
  return { tool, displayCommand: `sudo ${displayCommand}`, command: 'sudo', args, env: {} };
}

function planTool(tool: Tool, machine: SetupMachine): SetupStep | UninstallableTool {
  const { manager } = machine;
  if (tool === 'clinic') {
    const displayCommand = 'npm install --global clinic';
    return {
      tool,
      displayCommand,
      command: 'npm',
      args: displayCommand.split(' ').slice(1),
      env: {},
    };
  }
  const name = manager === null ? undefined : packageNames[manager][tool];
  if (manager === 'brew' && machine.isRoot) {
    return { tool, why: 'Homebrew refuses to run as root', next: `brew install ${name ?? tool}` };
  }
  if (manager !== null && name !== undefined) {
    if (manager === 'brew' || machine.isRoot || machine.hasSudo) {
      return systemStep(tool, manager, name, machine);
    }
    const { displayCommand } = recipeOf(manager, tool, name);
    return {
      tool,
      why: 'this needs root, and there is no sudo',
      next: `su -c '${displayCommand}'`,
    };
  }
  if (tool === 'k6' && machine.hasGo) {
    const displayCommand = 'go install go.k6.io/k6@latest';
    const env: Record<string, string> = machine.isRoot ? { GOBIN: '/usr/local/bin' } : {};
    return { tool, displayCommand, command: 'go', args: displayCommand.split(' ').slice(1), env };
  }
  const why =
    manager === null ? 'there is no apt-get, dnf, apk or brew' : `${manager} has no ${tool}`;
  return { tool, why, next: manualSteps[tool] };
}

export function planSetup(missing: readonly Tool[], machine: SetupMachine): SetupPlan {
  const planned = missing.map((tool) => planTool(tool, machine));
  return {
    steps: planned.filter((plan): plan is SetupStep => 'command' in plan),
    uninstallable: planned.filter((plan): plan is UninstallableTool => !('command' in plan)),
  };
}
