/** Resolves a user's program: its file, arguments, environment, and the shell command to start it by hand. */
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { EnvironmentError } from '../../../errors.ts';
import type { ProcessStart } from '../../../topology.ts';
import { findProgram } from '../../process/find-program.ts';
import { redactAddress } from '../addresses/address-text.ts';
import type { Address } from '../node.ts';

export type CommandStart = Extract<ProcessStart, { command: unknown }>;

export interface Program {
  /** Absolute. */
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Starts it as the testbed does; one line. */
  readonly shellCommand: string;
}

/**
 * The operator's servers replace nodes of the topology, which a process reaches by an edge. A process without such an edge
 * must not find the operator's database by accident.
 */
const NOT_INHERITED = ['DATABASE_URL', 'REDIS_URL', 'PLATFORM_PROCESS'];

/** Throws EnvironmentError when there is no such program or folder. `name` is the process's. */
export function findCommand(
  name: string,
  start: CommandStart,
  given: {
    port: number;
    env: NodeJS.ProcessEnv;
    addresses: Readonly<Record<string, Address>>;
  },
): Program {
  const cwd = path.resolve(start.cwd ?? '.');
  const inherited = Object.entries(given.env).filter(([key]) => !NOT_INHERITED.includes(key));
  const edges = Object.entries(given.addresses).map(([as, { url }]) => [as, url] as const);
  const own: Record<string, string> = {
    HOST: '127.0.0.1',
    ...Object.fromEntries(edges),
    ...start.env,
    PORT: `${given.port}`,
  };
  const env = { ...Object.fromEntries(inherited), ...own };
  const shellCommand = shellCommandOf(start, cwd, own);
  if (!statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) {
    throw new EnvironmentError({
      what: `${name} cannot be started in ${cwd}`,
      why: 'there is no such folder',
      next: `mkdir -p ${quoted(cwd)}, or correct start.cwd of ${name}`,
    });
  }
  const [program, ...args] = start.command;
  return { file: locate(name, program, cwd, env), args, cwd, env, shellCommand };
}

function locate(name: string, program: string, cwd: string, env: NodeJS.ProcessEnv): string {
  if (!program.includes('/')) {
    const found = findProgram(program, env);
    if (found !== null) return found;
    throw new EnvironmentError({
      what: `${name} cannot be started: there is no program ${program}`,
      why: `no folder of PATH has one that is executable: ${env.PATH ?? ''}`,
      next: `command -v ${quoted(program)}, or give start.command of ${name} a path`,
    });
  }
  const file = path.resolve(cwd, program);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new EnvironmentError({
      what: `${name} cannot be started: there is no program ${program}`,
      why: `${file} is not a file`,
      next: `ls -l ${quoted(file)}, or correct start.command of ${name}`,
    });
  }
  try {
    accessSync(file, constants.X_OK);
    return file;
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: `${name} cannot be started: ${program} is not executable`,
        why: (cause as Error).message,
        next: `chmod +x ${quoted(file)}`,
      },
      { cause },
    );
  }
}

const withoutPassword = (value: string): string =>
  URL.canParse(value) && new URL(value).password !== '' ? redactAddress(value) : value;

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

function shellCommandOf(start: CommandStart, cwd: string, own: Record<string, string>): string {
  // Printed in errors: an address without its password.
  const variables = Object.entries(own).map(
    ([key, value]) => `${key}=${quoted(withoutPassword(value))}`,
  );
  const line = [...variables, ...start.command.map(quoted)].join(' ');
  const whole = cwd === process.cwd() ? line : `cd ${quoted(cwd)} && ${line}`;
  return whole.replaceAll('\n', '\\n');
}
