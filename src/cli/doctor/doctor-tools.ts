/** The programs that a run can use: k6, clinic, Chromium. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { promisify } from 'node:util';
import { findProgram } from '../../sim/effects/process/find-program.ts';
import { type Check, ok, warn } from './doctor-check.ts';

const VERSION_TIMEOUT_MS = 10_000;

type Env = NodeJS.ProcessEnv;

/** The first line a program prints about its version. */
async function versionOf(program: string, args: readonly string[], env: Env): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, args, {
    env: { ...env, NO_INSIGHT: '1' },
    timeout: VERSION_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  return (stdout.trim() || stderr.trim()).split('\n')[0] ?? '';
}

const firstLine = (error: unknown): string => String((error as Error).message).split('\n')[0]!;

const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const chromiumApps = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function findChromium(env: Env): string | null {
  if (env.CHROME_PATH) return isExecutable(env.CHROME_PATH) ? env.CHROME_PATH : null;
  const onPath = chromiumNames.map((name) => findProgram(name, env)).find((file) => file !== null);
  return onPath ?? chromiumApps.find(isExecutable) ?? null;
}

interface OptionalTool {
  readonly id: string;
  readonly purpose: string;
  find(env: Env): string | null;
  readonly args: readonly string[];
}

const optionalTools: readonly OptionalTool[] = [
  {
    id: 'k6',
    purpose: 'a second load generator',
    find: (env) => findProgram('k6', env),
    args: ['version'],
  },
  {
    id: 'clinic',
    purpose: 'profiles of a service',
    find: (env) => findProgram('clinic', env),
    args: ['--version'],
  },
  {
    id: 'chromium',
    purpose: 'the tests that render reports',
    find: findChromium,
    args: ['--version'],
  },
];

async function checkOptional(tool: OptionalTool, env: Env): Promise<Check> {
  const fix = `platform setup --with ${tool.id}`;
  const program = tool.find(env);
  if (program === null) return warn(tool.id, `not found; optional, for ${tool.purpose}`, fix);
  try {
    return ok(tool.id, `${await versionOf(program, tool.args, env)}, ${program}`);
  } catch (error) {
    return warn(tool.id, `${program} does not start: ${firstLine(error)}`, fix);
  }
}

export function checkOptionalTools(env: Env): Promise<Check[]> {
  return Promise.all(optionalTools.map((tool) => checkOptional(tool, env)));
}
