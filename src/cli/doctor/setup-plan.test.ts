import { expect, test } from 'vitest';
import { planSetup, type SetupMachine, type Tool } from './setup-plan.ts';

const debianRoot: SetupMachine = {
  manager: 'apt-get',
  isRoot: true,
  hasSudo: false,
  hasGo: false,
};
const plan = (tool: Tool, machine: Partial<SetupMachine> = {}) =>
  planSetup([tool], { ...debianRoot, ...machine });
const shown = (tool: Tool, machine: Partial<SetupMachine> = {}) =>
  plan(tool, machine).steps.map((step) => step.displayCommand);

test.each([
  ['redis', {}, 'apt-get install -y --no-install-recommends redis-server'],
  ['taskset', {}, 'apt-get install -y --no-install-recommends util-linux'],
  ['redis', { manager: 'dnf' }, 'dnf install -y redis'],
  ['redis', { manager: 'apk' }, 'apk add --no-cache redis'],
  ['redis', { manager: 'brew', isRoot: false }, 'brew install redis'],
  ['redis', { manager: 'dnf', isRoot: false, hasSudo: true }, 'sudo dnf install -y redis'],
  ['k6', { hasGo: true }, 'go install go.k6.io/k6@latest'],
  ['k6', { manager: 'brew', isRoot: false }, 'brew install k6'],
  ['clinic', {}, 'npm install --global clinic'],
] as const)('installs %s with %j', (tool, machine, command) => {
  expect(shown(tool, machine)).toEqual([command]);
});

test.each([
  ['redis', { isRoot: false }, 'no sudo', "su -c 'apt-get install"],
  ['redis', { manager: null }, 'no apt-get, dnf, apk or brew', 'REDIS_URL'],
  ['redis', { manager: 'brew' }, 'refuses to run as root', 'brew install redis'],
  ['k6', {}, 'apt-get has no k6', 'https://grafana.com'],
] as const)('says how to install %s by hand with %j', (tool, machine, why, next) => {
  const { steps, uninstallable } = plan(tool, machine);
  expect(steps).toEqual([]);
  expect(uninstallable).toEqual([
    { tool, why: expect.stringContaining(why), next: expect.stringContaining(next) },
  ]);
});

test('keeps Debian from starting Redis, now and at the next boot', () => {
  const [step] = plan('redis').steps;
  const script = step!.args.join(' ');
  expect(step!.env).toMatchObject({ RUNLEVEL: '1' });
  expect(script).toContain('exit 101');
  expect(script).toContain(`trap 'rm -f "$policy"' EXIT`);
  expect(script).toContain('systemctl disable');
  expect(script).not.toMatch(/systemctl (start|enable)|service .* start/);
});

test('sudo gets the settings behind it, because it drops the environment', () => {
  const [step] = plan('redis', { isRoot: false, hasSudo: true }).steps;
  expect(step!.command).toBe('sudo');
  expect(step!.args.slice(0, 4)).toEqual([
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'RUNLEVEL=1',
    'sh',
  ]);
});
