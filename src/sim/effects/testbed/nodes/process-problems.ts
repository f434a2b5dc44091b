/** Validates the data of a process node. */
import type { ProcessSpec, ReadySign, Topology } from '../../../topology.ts';
import { nameProblems } from './names.ts';

const MAX_INSTANCES = 64;
const MAX_WAIT_MS = 600_000;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function processProblems(name: string, spec: ProcessSpec, topology: Topology): string[] {
  const { instances = 1 } = spec;
  const isCount = Number.isInteger(instances) && instances >= 1 && instances <= MAX_INSTANCES;
  return [
    ...nameProblems(name),
    ...startProblems(spec),
    ...readyProblems(spec),
    ...(isCount
      ? []
      : [`instances must be a whole number from 1 to ${MAX_INSTANCES}, not ${instances}`]),
    ...waitProblems('killAfterMs', spec.killAfterMs),
    ...waitProblems('readyWithinMs', spec.readyWithinMs),
    ...('command' in (spec.start ?? {}) ? variableProblems(name, spec, topology) : []),
  ];
}

function waitProblems(key: string, value: number | undefined): string[] {
  if (value === undefined || (value > 0 && value <= MAX_WAIT_MS)) return [];
  return [`${key} must be more than 0 and at most ${MAX_WAIT_MS} ms, not ${value}`];
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function startProblems({ start, params }: ProcessSpec): string[] {
  const given = (start ?? {}) as { module?: unknown; command?: unknown; cwd?: unknown };
  if ((given.module === undefined) === (given.command === undefined))
    return ['start must have either module or command'];
  if (given.module !== undefined)
    return isText(given.module) ? [] : ['start.module must be the path of a module'];
  const { command, cwd } = given;
  const problems: string[] = [];
  if (!Array.isArray(command) || command.length === 0 || !isText(command[0]))
    problems.push('start.command must begin with a program: ["node", "server.mjs"]');
  else if (!command.every((word) => typeof word === 'string' && !word.includes('\0')))
    problems.push('start.command must consist of strings');
  if (cwd !== undefined && !isText(cwd)) problems.push('start.cwd must be the path of a folder');
  if (params !== undefined)
    problems.push('params are for modules; a command gets start.env and its arguments');
  return problems;
}

function readyProblems({ ready, start }: ProcessSpec): string[] {
  if (ready === undefined) return [];
  const keys = Object.keys(ready ?? {});
  const sign = (ready ?? {}) as Partial<Record<keyof (ReadySign & object) | string, unknown>>;
  const [key] = keys;
  if (keys.length !== 1 || !['message', 'http', 'output', 'tcp'].includes(key!))
    return ['ready must have one of message, http, output, tcp'];
  const value = sign[key!];
  if (key === 'message' && 'command' in (start ?? {}))
    return ['ready: { message } is for modules; a command shows it by http, output or tcp'];
  if (key === 'http' && !(isText(value) && value.startsWith('/')))
    return ['ready.http must be a path that begins with /'];
  if (key === 'output' && !(isText(value) && !value.includes('\n')))
    return ['ready.output must be a text within one line'];
  if ((key === 'message' || key === 'tcp') && value !== true) return [`ready.${key} must be true`];
  return [];
}

/** The testbed sets PORT and HOST, and one variable for each edge. */
function variableProblems(name: string, spec: ProcessSpec, { edges }: Topology): string[] {
  const env = ('env' in spec.start ? spec.start.env : undefined) ?? {};
  const declared = Object.entries(env).flatMap(([key, value]) => {
    if (key === 'PORT') return ['start.env.PORT is taken: the testbed chooses the port'];
    if (!VARIABLE.test(key)) return [`start.env has ${key}, which is no name of a variable`];
    return typeof value === 'string' ? [] : [`start.env.${key} must be a string`];
  });
  const fromEdges = edges
    .filter((edge) => edge.from === name && edge.as !== undefined)
    .flatMap(({ as, to }) => {
      if (!VARIABLE.test(as!)) return [`the edge to ${to} is no environment variable: ${as}`];
      if (as === 'PORT' || as === 'HOST') return [`the edge to ${to} cannot be called ${as}`];
      return as! in env ? [`start.env.${as} is also the name of its edge to ${to}`] : [];
    });
  return [...declared, ...fromEdges];
}
