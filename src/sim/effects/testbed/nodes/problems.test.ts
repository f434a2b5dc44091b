/** What is refused before anything starts. */
import { describe, expect, it } from 'vitest';
import type { ProcessSpec, ReceiverSpec, Topology } from '../../../topology.ts';
import { processKind } from './process.ts';
import { receiverKind } from './receiver.ts';

const topology = (edges: Topology['edges'] = []): Topology => ({ nodes: {}, edges, jobs: [] });

describe('a process', () => {
  const module = { kind: 'process', start: { module: 'services/gateway/main.js' } } as const;
  const command = { kind: 'process', start: { command: ['node', 'app.mjs'] } } as const;
  /** As a scenario in plain JavaScript may give it. */
  const problems = (spec: object, name = 'worker', edges: Topology['edges'] = []) =>
    processKind.problems(name, spec as ProcessSpec, topology(edges));

  it.each<[string, object]>([
    ['a module', module],
    ['a module that shows itself over HTTP', { ...module, ready: { http: '/ready' } }],
    ['a module with a message', { ...module, ready: { message: true }, instances: 3 }],
    ['a command', { ...command, ready: { tcp: true }, killAfterMs: 1, readyWithinMs: 60_000 }],
    ['a command with a line of output', { ...command, ready: { output: 'listening on' } }],
    [
      'a command with a folder and variables',
      { ...command, start: { command: ['./run'], cwd: 'app', env: { HOST: '::1', A_1: '' } } },
    ],
  ])('may be %s', (_, spec) => expect(problems(spec)).toEqual([]));

  it.each<[object, string]>([
    [{ ...module, start: {} }, 'start must have either'],
    [{ ...module, start: undefined }, 'start must have either'],
    [{ ...module, start: { module: 'a.js', command: ['a'] } }, 'start must have either'],
    [{ ...module, start: { module: '' } }, 'start.module must be the path'],
    [{ ...command, start: { command: [] } }, 'start.command must begin with a program'],
    [{ ...command, start: { command: [''] } }, 'start.command must begin with a program'],
    [{ ...command, start: { command: 'node app' } }, 'start.command must begin with a program'],
    [{ ...command, start: { command: ['node', 1] } }, 'start.command must consist of strings'],
    [{ ...command, start: { command: ['node'], cwd: '' } }, 'start.cwd must be'],
    [{ ...command, start: { command: ['node'], env: { PORT: '1' } } }, 'start.env.PORT is taken'],
    [{ ...command, start: { command: ['node'], env: { 'A-B': '1' } } }, 'start.env has A-B'],
    [{ ...command, start: { command: ['node'], env: { A: 1 } } }, 'start.env.A must be a string'],
    [{ ...command, params: { a: 1 } }, 'params are for modules'],
    [{ ...command, ready: { message: true } }, 'ready: { message } is for modules'],
    [{ ...command, ready: {} }, 'ready must have one of'],
    [{ ...command, ready: { tcp: true, http: '/' } }, 'ready must have one of'],
    [{ ...command, ready: { file: 'x' } }, 'ready must have one of'],
    [{ ...command, ready: { http: 'health' } }, 'ready.http must be a path'],
    [{ ...command, ready: { output: '' } }, 'ready.output must be a text'],
    [{ ...command, ready: { output: 'a\nb' } }, 'ready.output must be a text'],
    [{ ...command, ready: { tcp: false } }, 'ready.tcp must be true'],
    [{ ...module, instances: 0 }, 'instances must be a whole number from 1 to 64, not 0'],
    [{ ...module, instances: 1.5 }, 'instances must be'],
    [{ ...module, instances: Number.NaN }, 'instances must be'],
    [{ ...module, killAfterMs: -1 }, 'killAfterMs must be more than 0'],
    [{ ...module, readyWithinMs: 0 }, 'readyWithinMs must be more than 0'],
    [{ ...module, readyWithinMs: Number.NaN }, 'readyWithinMs must be more than 0'],
    [{ ...module, readyWithinMs: 1e9 }, 'at most 600000 ms'],
  ])('cannot be %j', (spec, problem) =>
    expect(problems(spec)).toEqual([expect.stringContaining(problem)]),
  );

  it.each(['', 'Worker', 'worker.2', 'eu worker', 'a->b', 'a/b', '.a', 'a.', 'x'.repeat(65)])(
    'cannot be called %j',
    (name) => expect(problems(module, name)).toEqual([expect.stringContaining('its name must be')]),
  );

  it('may have a name with its region', () => expect(problems(module, 'eu.worker')).toEqual([]));

  it('must have edge names that are valid environment variables', () => {
    const to = (as: string) => [{ from: 'worker', to: 'store', as }];
    const withEnv = { ...command, start: { command: ['node'], env: { STORE_URL: 'x' } } };
    expect(problems(command, 'worker', to('STORE_URL'))).toEqual([]);
    expect(problems(module, 'worker', to('the-store'))).toEqual([]);
    expect(problems(command, 'worker', to('the-store'))).toHaveLength(1);
    expect(problems(command, 'worker', to('PORT'))).toHaveLength(1);
    expect(problems(withEnv, 'worker', to('STORE_URL'))).toHaveLength(1);
    expect(problems(command, 'other', to('the-store'))).toEqual([]);
  });

  it('has a name for each instance, and a description', () => {
    const three = { ...command, instances: 3 } as ProcessSpec;
    expect(processKind.members('worker', three)).toEqual(['worker.1', 'worker.2', 'worker.3']);
    expect(processKind.describe('worker', three)).toBe('3 processes node');
    expect(processKind.members('worker', module)).toEqual(['worker']);
    expect(processKind.describe('worker', module)).toBe('process services/gateway/main.js');
  });
});

describe('a receiver', () => {
  const problems = (endpoints: object | undefined) =>
    receiverKind.problems('hooks', { kind: 'receiver', endpoints } as ReceiverSpec, topology());

  it('may have any number of endpoints', () =>
    expect(
      problems({
        a: { kind: 'healthy' },
        'b-1.c_2': { kind: 'slow', delayMs: 0 },
        c: { kind: 'hanging' },
        d: { kind: 'status', status: 500 },
        E: { kind: 'closed' },
      }),
    ).toEqual([]));

  it.each<[object | undefined, string]>([
    [undefined, 'endpoints must name at least one'],
    [{}, 'endpoints must name at least one'],
    [{ '-': { kind: 'healthy' } }, 'endpoint "-" must consist of'],
    [{ 'a/b': { kind: 'healthy' } }, 'endpoint "a/b" must consist of'],
    [{ '': { kind: 'healthy' } }, 'endpoint "" must consist of'],
    [{ a: { kind: 'sleepy' } }, 'endpoint a: there is no behaviour "sleepy"; known: healthy, slow'],
    [{ a: { kind: 'toString' } }, 'there is no behaviour "toString"'],
    [{ a: null }, 'there is no behaviour undefined'],
    [{ a: { kind: 'slow', delayMs: -1 } }, 'endpoint a: delayMs must be'],
    [{ a: { kind: 'slow' } }, 'delayMs must be a whole number from 0 to 3600000, not undefined'],
    [{ a: { kind: 'slow', delayMs: 1e9 } }, 'delayMs must be'],
    [{ a: { kind: 'status', status: 99 } }, 'status must be a whole number from 200 to 599'],
    [{ a: { kind: 'status', status: '500' } }, 'status must be'],
    [{ a: { kind: 'healthy', delayMs: 5 } }, 'healthy has no delayMs'],
  ])('cannot have %j', (endpoints, problem) =>
    expect(problems(endpoints)).toEqual([expect.stringContaining(problem)]),
  );

  it('is one process', () => {
    const spec: ReceiverSpec = { kind: 'receiver', endpoints: { a: { kind: 'healthy' } } };
    expect(receiverKind.members('hooks', spec)).toEqual(['hooks']);
    expect(receiverKind.describe('hooks', spec)).toBe('receiver with 1 endpoint');
  });
});
