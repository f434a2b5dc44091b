/**
 * `platform setup`: shows what it will run, asks, and installs what a run needs. It starts no system-wide daemon and
 * checks that none was started. Idempotent.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { openCache } from '../../sim/effects/process/cache.ts';
import { runUser } from '../../sim/effects/process/run-user.ts';
import { preparePostgres } from '../../sim/effects/testbed/stores/postgres-binaries.ts';
import { EnvironmentError, UsageError } from '../../sim/errors.ts';
import { exitCodes } from '../../sim/pure/exit-code.ts';
import type { Io } from '../io.ts';
import { describeSetupMachine, findRedisDaemons, missingTools } from './setup-machine.ts';
import {
  optionalTools,
  planSetup,
  type SetupPlan,
  type SetupStep,
  type Tool,
} from './setup-plan.ts';

const STEP_TIMEOUT_MS = 15 * 60_000;
const TAIL_LINES = 200;

export interface SetupOptions {
  /** Do not ask. */
  readonly yes?: boolean;
  /** Optional tools to install as well: chromium, k6, clinic. */
  readonly with?: readonly string[];
  /** Builds the scenarios' data templates; each note is one line of progress. */
  readonly prepareTemplates?: (onNote: (text: string) => void) => Promise<void>;
}

function parseOptionalTools(names: readonly string[]): Tool[] {
  return names.map((name) => {
    const tool = optionalTools.find((one) => one === name);
    if (tool !== undefined) return tool;
    throw new UsageError({
      what: `setup cannot install ${name}`,
      why: `--with takes ${optionalTools.join(', ')}`,
      next: `platform setup --with ${optionalTools.join(',')}`,
    });
  });
}

function describePlan({ steps, uninstallable }: SetupPlan): string {
  return [
    ...(steps.length > 0
      ? ['setup will run:', ...steps.map(({ displayCommand }) => `  ${displayCommand}`)]
      : []),
    ...(steps.length > 0 ? ['It starts no system-wide daemon and enables none.'] : []),
    ...uninstallable.map(({ tool, why, next }) => `cannot install ${tool}: ${why}; ${next}`),
  ].join('\n');
}

async function confirmPlan(io: Io, plan: SetupPlan, options: SetupOptions): Promise<boolean> {
  if (options.yes) return true;
  if (!io.isInteractive) {
    throw new UsageError({
      what: `setup would install ${plan.steps.map(({ tool }) => tool).join(', ')} and needs your consent`,
      why: 'stdin and stderr are not a terminal, so it cannot ask',
      next: 'platform setup --yes',
    });
  }
  const prompt = createInterface({ input: io.stdin, output: io.stderr });
  try {
    // A closed input counts as no.
    const closed = new Promise<string>((resolve) => prompt.once('close', () => resolve('')));
    const answer = await Promise.race([prompt.question('Proceed? [y/N] '), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    prompt.close();
  }
}

interface StepResult {
  readonly status: string;
  readonly isOk: boolean;
  /** The last lines of output. */
  readonly lines: readonly string[];
}

function runStep(step: SetupStep, env: NodeJS.ProcessEnv): Promise<StepResult> {
  return new Promise((resolve) => {
    // stdin is inherited: sudo reads its password from the terminal.
    const child = spawn(step.command, step.args, {
      env: { ...env, ...step.env },
      stdio: ['inherit', 'pipe', 'pipe'],
      timeout: STEP_TIMEOUT_MS,
      killSignal: 'SIGTERM',
    });
    const deadline = setTimeout(() => child.kill('SIGKILL'), STEP_TIMEOUT_MS + 5_000);
    let lines: string[] = [];
    const keep = (chunk: Buffer): void => {
      const text = (lines.pop() ?? '') + chunk.toString('utf8');
      lines = [...lines, ...text.split('\n')].slice(-TAIL_LINES);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const end = (status: string, isOk: boolean): void => {
      clearTimeout(deadline);
      resolve({ status, isOk, lines: lines.filter((line) => line.trim() !== '') });
    };
    child.once('error', (error) => end(error.message, false));
    child.once('close', (code, signal) => end(signal ?? `exit ${code}`, code === 0));
  });
}

/** The package manager's error line, or its last line. */
function failureReason({ lines }: StepResult): string {
  const error = lines.findLast((line) => /^(E:|error|fatal|sudo:|ERROR)/i.test(line.trim()));
  return (error ?? lines.at(-1) ?? 'it printed nothing').trim();
}

async function runPlan(plan: SetupPlan, env: NodeJS.ProcessEnv, log: (text: string) => void) {
  for (const step of plan.steps) {
    log(`installing ${step.tool}`);
    const result = await runStep(step, env);
    if (!result.isOk) {
      throw new EnvironmentError({
        what: `cannot install ${step.tool} (${result.status})`,
        why: failureReason(result),
        next: step.displayCommand,
      });
    }
  }
}

/** Fails if the package manager started a Redis service in spite of policy-rc.d. */
function assertNoNewDaemon(before: readonly number[], plan: SetupPlan): void {
  if (!plan.steps.some(({ tool }) => tool === 'redis')) return;
  const started = findRedisDaemons().filter((pid) => !before.includes(pid));
  if (started.length === 0) return;
  throw new EnvironmentError({
    what: `installing Redis started a daemon (process ${started.join(', ')})`,
    why: 'setup promises to start none; the package ignored policy-rc.d',
    next: 'systemctl disable --now redis-server',
  });
}

async function installMissing(io: Io, options: SetupOptions, env: NodeJS.ProcessEnv) {
  const log = (text: string): void => void io.stderr.write(`${text}\n`);
  const wanted: Tool[] = ['redis', 'taskset', ...parseOptionalTools(options.with ?? [])];
  const missing = missingTools(wanted, env);
  if (missing.length === 0) {
    log(`nothing to install: ${wanted.join(', ')} ${wanted.length === 1 ? 'is' : 'are'} installed`);
    return true;
  }
  const plan = planSetup(missing, describeSetupMachine(env));
  log(describePlan(plan));
  if (plan.steps.length > 0) {
    if (!(await confirmPlan(io, plan, options))) return false;
    const before = findRedisDaemons();
    await runPlan(plan, env, log);
    assertNoNewDaemon(before, plan);
  }
  assertInstalled(missing, plan, env);
  return true;
}

/** A package manager may succeed without the program being on PATH. taskset is optional. */
function assertInstalled(missing: readonly Tool[], plan: SetupPlan, env: NodeJS.ProcessEnv): void {
  const [tool] = missingTools(missing, env).filter((name) => name !== 'taskset');
  if (tool === undefined) return;
  const known = plan.uninstallable.find((entry) => entry.tool === tool);
  throw new EnvironmentError({
    what: `${tool} is not installed`,
    why: known?.why ?? 'it was installed, but is not on PATH',
    next: known?.next ?? 'platform doctor',
  });
}

export async function runSetup(io: Io, options: SetupOptions = {}): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...io.env };
  const log = (text: string): void => void io.stderr.write(`${text}\n`);
  if (!(await installMissing(io, options, env))) {
    log('nothing was changed');
    return exitCodes.environment;
  }
  if (env.DATABASE_URL) {
    log('DATABASE_URL is set: no PostgreSQL and no data templates of our own are needed');
  } else {
    log("preparing PostgreSQL's binaries");
    const cache = await openCache(runUser(), env);
    const { version } = await preparePostgres(cache);
    log(`PostgreSQL ${version} is in ${cache}`);
    await options.prepareTemplates?.(log);
  }
  io.stdout.write('ready\n');
  return exitCodes.pass;
}
