/**
 * `platform setup`: installs what a run needs, after saying exactly what it will run. It never starts a
 * system-wide daemon, and checks that none came up. Running it again changes nothing.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { openCache } from '../sim/effects/process/cache.ts';
import { runUser } from '../sim/effects/process/run-user.ts';
import { preparePostgres } from '../sim/effects/testbed/postgres-binaries.ts';
import { EnvironmentError, UsageError } from '../sim/errors.ts';
import type { Io } from './io.ts';
import { describeSetupMachine, missingTools, redisDaemons } from './setup-machine.ts';
import {
  OPTIONAL_TOOLS,
  planSetup,
  type SetupPlan,
  type SetupStep,
  type Tool,
} from './setup-plan.ts';

const STEP_LIMIT_MS = 15 * 60_000;
const TAIL_LINES = 200;

export interface SetupOptions {
  /** Do not ask. */
  readonly yes?: boolean;
  /** Optional tools to install as well: chromium, k6, clinic. */
  readonly with?: readonly string[];
  /** Builds the scenarios' data templates; each note is one line of progress. */
  readonly prepareTemplates?: (onNote: (text: string) => void) => Promise<void>;
}

function optionalTools(names: readonly string[]): Tool[] {
  return names.map((name) => {
    const tool = OPTIONAL_TOOLS.find((one) => one === name);
    if (tool !== undefined) return tool;
    throw new UsageError({
      what: `setup cannot install ${name}`,
      why: `--with takes ${OPTIONAL_TOOLS.join(', ')}`,
      next: `platform setup --with ${OPTIONAL_TOOLS.join(',')}`,
    });
  });
}

function describePlan({ steps, impossible }: SetupPlan): string {
  return [
    ...(steps.length > 0 ? ['setup will run:', ...steps.map(({ shown }) => `  ${shown}`)] : []),
    ...(steps.length > 0 ? ['It starts no system-wide daemon and enables none.'] : []),
    ...impossible.map(({ tool, why, next }) => `cannot install ${tool}: ${why}; ${next}`),
  ].join('\n');
}

async function isAgreed(io: Io, plan: SetupPlan, options: SetupOptions): Promise<boolean> {
  if (options.yes) return true;
  if (!io.isTty) {
    throw new UsageError({
      what: `setup would install ${plan.steps.map(({ tool }) => tool).join(', ')} and was not told to`,
      why: 'nobody is at a terminal to be asked',
      next: 'platform setup --yes',
    });
  }
  const prompt = createInterface({ input: io.stdin, output: io.stderr });
  try {
    // A closed input is a no, not an endless question.
    const closed = new Promise<string>((resolve) => prompt.once('close', () => resolve('')));
    const answer = await Promise.race([prompt.question('Proceed? [y/N] '), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}

interface StepEnd {
  readonly status: string;
  readonly ok: boolean;
  /** The last lines of output. */
  readonly lines: readonly string[];
}

function runStep(step: SetupStep, env: NodeJS.ProcessEnv): Promise<StepEnd> {
  return new Promise((resolve) => {
    // sudo asks for its password on the terminal itself, so only the input is passed on.
    const child = spawn(step.command, step.args, {
      env: { ...env, ...step.env },
      stdio: ['inherit', 'pipe', 'pipe'],
      timeout: STEP_LIMIT_MS,
      killSignal: 'SIGTERM',
    });
    const deadline = setTimeout(() => child.kill('SIGKILL'), STEP_LIMIT_MS + 5_000);
    let lines: string[] = [];
    const keep = (chunk: Buffer): void => {
      const text = (lines.pop() ?? '') + chunk.toString('utf8');
      lines = [...lines, ...text.split('\n')].slice(-TAIL_LINES);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const end = (status: string, isOk: boolean): void => {
      clearTimeout(deadline);
      resolve({ status, ok: isOk, lines: lines.filter((line) => line.trim() !== '') });
    };
    child.once('error', (error) => end(error.message, false));
    child.once('close', (code, signal) => end(signal ?? `exit ${code}`, code === 0));
  });
}

/** Why a package manager failed: its own error line, or the last thing it said. */
function reasonOf(end: StepEnd): string {
  const error = end.lines.findLast((line) => /^(E:|error|fatal|sudo:|ERROR)/i.test(line.trim()));
  return (error ?? end.lines.at(-1) ?? 'it printed nothing').trim();
}

async function runPlan(plan: SetupPlan, env: NodeJS.ProcessEnv, say: (text: string) => void) {
  for (const step of plan.steps) {
    say(`installing ${step.tool}`);
    const end = await runStep(step, env);
    if (!end.ok) {
      throw new EnvironmentError({
        what: `cannot install ${step.tool} (${end.status})`,
        why: reasonOf(end),
        next: step.shown,
      });
    }
  }
}

/** Whatever the package manager did: a Redis that appeared while it ran is reported, not hidden. */
function assertNoNewDaemon(before: readonly number[], plan: SetupPlan): void {
  if (!plan.steps.some(({ tool }) => tool === 'redis')) return;
  const started = redisDaemons().filter((pid) => !before.includes(pid));
  if (started.length === 0) return;
  throw new EnvironmentError({
    what: `installing Redis started a daemon (process ${started.join(', ')})`,
    why: 'setup promises to start none; the package ignored policy-rc.d',
    next: 'systemctl disable --now redis-server',
  });
}

async function installMissing(io: Io, options: SetupOptions, env: NodeJS.ProcessEnv) {
  const say = (text: string): void => void io.stderr.write(`${text}\n`);
  const wanted: Tool[] = ['redis', 'taskset', ...optionalTools(options.with ?? [])];
  const missing = missingTools(wanted, env);
  if (missing.length === 0) {
    say(`nothing to install: ${wanted.join(', ')} ${wanted.length === 1 ? 'is' : 'are'} here`);
    return true;
  }
  const plan = planSetup(missing, describeSetupMachine(env));
  say(describePlan(plan));
  if (plan.steps.length > 0) {
    if (!(await isAgreed(io, plan, options))) return false;
    const before = redisDaemons();
    await runPlan(plan, env, say);
    assertNoNewDaemon(before, plan);
  }
  assertInstalled(missing, plan, env);
  return true;
}

/** A package manager may be content and the program still not on PATH. taskset is a comfort, not a need. */
function assertInstalled(missing: readonly Tool[], plan: SetupPlan, env: NodeJS.ProcessEnv): void {
  const [tool] = missingTools(missing, env).filter((one) => one !== 'taskset');
  if (tool === undefined) return;
  const known = plan.impossible.find((one) => one.tool === tool);
  throw new EnvironmentError({
    what: `${tool} is not installed`,
    why: known?.why ?? 'it was installed, but is not on PATH',
    next: known?.next ?? 'platform doctor',
  });
}

export async function runSetup(io: Io, options: SetupOptions = {}): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...io.env };
  const say = (text: string): void => void io.stderr.write(`${text}\n`);
  if (!(await installMissing(io, options, env))) {
    say('nothing was changed');
    return 3;
  }
  if (env.DATABASE_URL) {
    say('DATABASE_URL is set: no PostgreSQL and no data templates of our own are needed');
  } else {
    say("preparing PostgreSQL's binaries");
    const cache = await openCache(runUser(), env);
    const { version } = await preparePostgres(cache);
    say(`PostgreSQL ${version} is in ${cache}`);
    await options.prepareTemplates?.(say);
  }
  io.stdout.write('ready\n');
  return 0;
}
