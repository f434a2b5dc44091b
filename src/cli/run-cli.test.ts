import { EventEmitter } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { turn4Result } from '../report/fixtures/turn4-result.ts';
import { scenarios } from '../scenarios/index.ts';
import { EnvironmentError } from '../sim/errors.ts';
import type { Result } from '../sim/result.ts';
import type { RunOptions, RunScenario } from '../sim/run/run-options.ts';
import { fakeRun } from './fixtures/fake-run.ts';
import { runCli } from './run-cli.ts';

let out = '';
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'platform-cli-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly exits: readonly number[];
}

function start(
  argv: readonly string[],
  runScenario: RunScenario = fakeRun({ secondMs: 0 }),
  terminal: object = {},
) {
  const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), terminal)];
  const host = new FakeProcess();
  const io = { stdout, stderr, stdin: new PassThrough(), env: {}, isInteractive: false };
  const text = { stdout: '', stderr: '' };
  stdout.on('data', (chunk) => (text.stdout += String(chunk)));
  stderr.on('data', (chunk) => (text.stderr += String(chunk)));
  const ended = runCli(argv, { scenarios, runScenario, io, process: host }).then(
    async (code): Promise<Ran> => {
      await sleep(0);
      return { code, ...text, exits: host.exits };
    },
  );
  return { host, text, ended };
}

const run = (argv: readonly string[], engine?: RunScenario) => start(argv, engine).ended;
const sim = (argv: readonly string[], engine?: RunScenario) =>
  run(['sim', 'turn4', '--out', out, '--format', 'json,md', ...argv], engine);

/** An engine that answers each run in turn with these exit codes. */
function answering(...codes: number[]): RunScenario {
  const queue = [...codes];
  const results = fakeRun({ secondMs: 0 });
  return async (options) => {
    const outcome = await results(options);
    const exitCode = queue.shift() ?? 0;
    return { ...outcome, result: { ...outcome.result, exitCode } };
  };
}

describe('sim', () => {
  it('prints the verdict on stdout, progress on stderr, and writes the reports', async () => {
    const { code, stdout, stderr } = await sim([]);
    expect(code).toBe(0);
    expect(stdout).toContain(turn4Result.sentence.slice(0, 40));
    expect(stderr).toMatch(/^\[ {3}0\.0s\] before {2}measure {10}148 users/m);
    expect(stdout + stderr).not.toContain('\u001b');
    const latest = join(out, 'turn4', 'latest');
    expect(readlinkSync(latest)).toBe('20260504-091233-0001');
    expect(existsSync(join(latest, 'report.md'))).toBe(true);
    expect(existsSync(join(latest, 'report.html'))).toBe(false);
  });

  it('prints exactly one JSON document with --json', async () => {
    const { stdout } = await sim(['--json', '--seed', '7']);
    const result = JSON.parse(stdout) as Result;
    expect(result).toMatchObject({ schema: 'platform-sim/result@3', seed: 7 });
    expect(result.command).toBe(`platform sim turn4 --out ${out} --format json,md --json --seed 7`);
  });

  it('prints several runs as one JSON document', async () => {
    const { stdout } = await sim(['--json', '--repeat', '2']);
    const { runs } = JSON.parse(stdout) as { runs: Result[] };
    expect(runs.map(({ runId }) => runId)).toEqual([
      '20260504-091233-0001',
      '20260504-091233-0002',
    ]);
  });

  it('says nothing on stderr with --quiet', async () => {
    expect((await sim(['--quiet'])).stderr).toBe('');
  });

  it('prints what --keep left running, and stops it on Ctrl-C with the exit code of the verdict', async () => {
    let stopped = 0;
    const engine: RunScenario = async (options) => ({
      ...(await fakeRun({ secondMs: 0, result: { exitCode: 99 } })(options)),
      stopKept: async () => {
        stopped += 1;
      },
    });
    const argv = ['sim', 'turn4', '--out', out, '--format', 'md', '--keep', '--quiet'];
    const { host, text, ended } = start(argv, engine);
    await expect.poll(() => text.stderr).toContain('press Ctrl-C to stop and remove it');
    expect(text.stderr).toContain('kept: postgres://127.0.0.1:5432\n');
    expect(stopped).toBe(0);
    host.emit('SIGINT');
    expect((await ended).code).toBe(99);
    expect(stopped).toBe(1);
  });

  it('draws the live view on a terminal, and only on stderr', async () => {
    const saved = { ...process.env };
    const terminal = { isTTY: true, columns: 80, rows: 24 };
    const argv = ['sim', 'turn4', '--out', out, '--format', 'md', '--json'];
    const { stdout, stderr } = await start(argv, fakeRun({ secondMs: 5 }), terminal).ended;
    expect(JSON.parse(stdout)).toHaveProperty('verdict');
    // No plain line; what the view shows is checked in live-view.test.tsx.
    expect(stderr).not.toContain('[   0.0s]');
    expect(process.env).toEqual(saved);
  });

  it('passes every flag to the engine', async () => {
    const seen: RunOptions[] = [];
    const engine = fakeRun({ secondMs: 0 });
    const spy: RunScenario = (options) => {
      seen.push(options);
      return engine(options);
    };
    const flags = ['--seed', '9', '--rate', '200/s', '--duration', '30s', '--quick', '--swap-arms'];
    await sim([...flags, '--design', 'after,before', '--keep'], spy);
    expect(seen[0]).toMatchObject({ keep: true, outDir: out, plan: { seed: 9, scale: 'quick' } });
    expect(seen[0]!.plan.arms.map(({ name, design }) => [name, design])).toEqual([
      ['before', 'turn4.after'],
      ['after', 'turn4.before'],
    ]);
    const stages = [{ ratePerSecond: 200, durationMs: 30_000 }];
    for (const { phases } of seen[0]!.plan.arms)
      expect(phases.map(({ load }) => load)).toMatchObject([{ kind: 'open', stages }]);
    await sim([], spy);
    expect(seen[1]).toMatchObject({ keep: false, plan: { seed: 1, scale: 'full' } });
    expect(seen[1]!.plan.arms.map(({ name, design }) => [name, design])).toEqual([
      ['before', 'turn4.before'],
      ['after', 'turn4.after'],
    ]);
    const kinds = seen[1]!.plan.arms.map(({ phases }) => phases.map(({ load }) => load.kind));
    expect(kinds).toEqual([['cpu-controlled-users'], ['same-users', 'capacity-search']]);
  });

  it('shows the spread of repeated runs, one sentence each', async () => {
    const { stdout } = await sim(['--repeat', '3']);
    expect(stdout.match(/^\d\/3 {2}\w/gm)).toHaveLength(3);
    expect(stdout).toMatch(/^figure +median +min +max +runs$/m);
    expect(stdout).toMatch(/^before mean +910 ms +910 ms +910 ms +3$/m);
    expect(stdout).toMatch(/^after holds +2,600\/s/m);
  });

  it.each([
    [[0, 0, 0], 0],
    [[0, 97, 0], 97],
    [[97, 99, 0], 99],
    [[99, 98, 97], 98],
  ])('exits %j as %s', async (codes, expected) => {
    expect((await sim(['--repeat', '3', '--quiet'], answering(...codes))).code).toBe(expected);
  });

  it('ends `all` with one table of all runs, and one line', async () => {
    const [first] = scenarios;
    const argv = ['sim', 'all', '--out', out, '--format', 'md', '--quiet'];
    const { code, stdout } = await run(argv, answering(0, 99, 97));
    expect(code).toBe(99);
    const lines = stdout.trimEnd().split('\n');
    const table = lines.slice(lines.findIndex((line) => line.startsWith('scenario')));
    expect(table[0]).toMatch(/^scenario +verdict +exit +seconds +reports$/);
    expect(table.slice(1, -2).map((line) => line.split(' ')[0])).toEqual(
      scenarios.map(({ id }) => id),
    );
    const seconds = Math.round(turn4Result.durationMs / 1_000);
    expect(table[1]!.split(/ +/).slice(0, 4)).toEqual([first!.id, 'pass', '0', `${seconds}`]);
    expect(table[1]).toContain(join(out, first!.id));
    expect(table[2]!.split(/ +/)[2]).toBe('99');
    expect(table.at(-1)).toMatch(
      new RegExp(`^${scenarios.length - 2} of ${scenarios.length} pass, \\d+ s, exit 99$`),
    );
  });

  it('prints `all` as one JSON document', async () => {
    const { code, stdout } = await run(['sim', 'all', '--out', out, '--json'], answering(0, 97));
    const { runs } = JSON.parse(stdout) as { runs: Result[] };
    expect([code, runs.map(({ scenario }) => scenario)]).toEqual([
      97,
      scenarios.map(({ id }) => id),
    ]);
  });

  const declared = `const load = { kind: 'open', arrivals: 'constant', stages: [{ ratePerSecond: 1, durationMs: 1 }],
        operations: [{ name: 'get', weight: 1, method: 'GET', path: '/' }] };
      const phases = [{ name: 'measure', role: 'load', note: 'n', judged: true, load }];
      const topology = { nodes: { web: { kind: 'process', start: { command: ['web'] } } },
        edges: [{ from: 'client', to: 'web' }], jobs: [] };
      const before = { design: 'd', description: 'd', expected: 'pass', mustFail: [], phases, topology };
      const mine = { id: 'mine', turn: 0, title: 't', question: 'q', situation: 's',
        declare: () => ({ arms: { before }, slos: [], invariants: [], scaleNote: '' }) };`;

  it.each([
    ['named.mjs', 'export const scenario = mine'],
    ['default.mjs', 'export default mine'],
    ['assigned.cjs', 'module.exports = mine'],
    ['named.cjs', 'exports.scenario = mine'],
    ['compiled.cjs', 'exports.__esModule = true; exports.default = mine'],
    ['promised.cjs', 'module.exports = Promise.resolve(mine)'],
  ])('runs a scenario of the user from a file: %s', async (name, exporting) => {
    const file = join(out, name);
    writeFileSync(file, `${declared}\n${exporting};\n`);
    const { code, stdout } = await run(['sim', file, '--out', out, '--format', 'json', '--json']);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as Result).scenario).toBe('mine');
  });
});

describe('a run that fails', () => {
  const failing =
    (error: unknown): RunScenario =>
    async () => {
      throw error;
    };

  it('prints the three lines of an operator error and stops the other runs', async () => {
    const lines = { what: 'no Redis', why: 'not on PATH', next: 'platform setup' };
    let calls = 0;
    const engine: RunScenario = async () => {
      calls += 1;
      throw new EnvironmentError(lines);
    };
    const { code, stdout, stderr } = await sim(['--repeat', '3'], engine);
    expect([code, stdout, calls]).toEqual([3, '', 1]);
    expect(stderr).toBe('no Redis\nnot on PATH\nnext: platform setup\n');
  });

  it('prints the finished runs, with --json', async () => {
    const good = fakeRun({ secondMs: 0 });
    let calls = 0;
    const engine: RunScenario = (options) => {
      calls += 1;
      return calls === 1 ? good(options) : failing(new Error('boom'))(options);
    };
    const { code, stdout } = await sim(['--repeat', '2', '--json'], engine);
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as { runs: Result[] }).runs).toHaveLength(1);
  });

  it('shows which runs finished, and which did not', async () => {
    const good = fakeRun({ secondMs: 0 });
    let calls = 0;
    const engine: RunScenario = (options) => {
      calls += 1;
      return calls === 1 ? good(options) : failing(new Error('boom'))(options);
    };
    const { code, stdout } = await sim(['--repeat', '3'], engine);
    expect(code).toBe(1);
    expect(stdout.match(/^turn4 +pass +0 /gm)).toHaveLength(1);
    expect(stdout.match(/^turn4 +not run$/gm)).toHaveLength(2);
    expect(stdout).toMatch(/\n\n1 of 3 pass, \d+ s\n$/);
  });

  it('reports a bug with stack, cause, seed and command', async () => {
    const bug = new Error('boom', { cause: new Error('underneath') });
    const { code, stderr } = await sim(['--seed', '77'], failing(bug));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^platform has a bug: boom$/m);
    expect(stderr).toMatch(/^ +at /m);
    expect(stderr).toContain('caused by Error: underneath');
    expect(stderr).toMatch(/^seed 77$/m);
    expect(stderr).toMatch(/^while running: platform sim turn4 /m);
  });

  it('refuses a reports folder it cannot make, before anything starts', async () => {
    const file = join(out, 'file');
    writeFileSync(file, '');
    let started = false;
    const engine: RunScenario = async () => {
      started = true;
      throw new Error('unreachable');
    };
    const { code, stderr } = await run(['sim', 'turn4', '--out', join(file, 'x')], engine);
    expect([code, started]).toEqual([3, false]);
    expect(stderr.trim().split('\n')).toHaveLength(3);
  });
});

/** From now on a signal ends the run; the command has read its arguments and begun. */
async function begun(host: EventEmitter): Promise<void> {
  await expect.poll(() => host.listenerCount('SIGINT'), { timeout: 5_000 }).toBeGreaterThan(0);
  await sleep(60);
}

describe('interrupts', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ])('%s stops the run, reports what it has and exits %s', async (signal, code) => {
    const { host, ended } = start(
      ['sim', 'turn4', '--out', out, '--format', 'md', '--repeat', '3'],
      fakeRun({ secondMs: 20 }),
    );
    await begun(host);
    host.emit(signal);
    const ran = await ended;
    expect(ran.code).toBe(code);
    expect(ran.stderr).toContain('stopping; press Ctrl-C again to leave at once');
    expect(ran.exits).toEqual([]);
    const written = readFileSync(join(out, 'turn4', 'latest', 'result.json'), 'utf8');
    expect((JSON.parse(written) as Result).aborted).toBe(true);
    expect(host.listenerCount(signal)).toBe(0);
  });

  it('skips the runs after it, and says so', async () => {
    const argv = ['sim', 'all', '--out', out, '--format', 'md', '--quiet'];
    const { host, ended } = start(argv, fakeRun({ secondMs: 20 }));
    await begun(host);
    host.emit('SIGINT');
    const { code, stdout } = await ended;
    expect(code).toBe(130);
    const [first, ...others] = scenarios.map(({ id }) => id);
    expect(stdout).toMatch(new RegExp(`^${first} +stopped `, 'm'));
    for (const id of others) expect(stdout).toMatch(new RegExp(`^${id} +not run$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^0 of ${scenarios.length} pass, \\d+ s, exit 130$`, 'm'));
  });

  it('exits at once on the second signal', async () => {
    const { host, ended } = start(['sim', 'turn4', '--out', out], fakeRun({ secondMs: 50 }));
    await begun(host);
    host.emit('SIGINT');
    host.emit('SIGINT');
    expect(host.exits).toEqual([130]);
    await ended;
  });

  it('says so when there is no result to report', async () => {
    const engine: RunScenario = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    const { host, ended } = start(['sim', 'turn4', '--out', out], engine);
    await begun(host);
    host.emit('SIGINT');
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain('stopped before there was a result to report');
    expect(stderr).not.toContain('bug');
  });

  it('cleans up and exits 1 on an uncaught error', async () => {
    const { host, text, ended } = start(['sim', 'turn4', '--out', out], fakeRun({ secondMs: 20 }));
    await sleep(60);
    host.emit('unhandledRejection', new Error('lost'));
    await ended;
    await expect.poll(() => host.exits).toEqual([1]);
    expect(text.stderr).toContain('platform has a bug: lost');
    expect(text.stderr).toMatch(/^seed 1$/m);
  });
});

/** A scenario file whose declare has this body. */
const declaring = (body: string) =>
  `export const scenario = { id: 'mine', turn: 0, title: 't', question: 'q', situation: 's',
    declare: () => ${body} };`;

describe('bad input', () => {
  it.each<[string[], RegExp, RegExp]>([
    [['sim', 'trun4'], /no scenario "trun4"/, /did you mean turn4\?/],
    [['sim', 'turn1', '--rate', '5/s'], /--rate cannot be given to turn1/, /turn1 are one script/],
    [['sim', 'elephant'], /no scenario "elephant"/, /known: turn1, turn2, turn3, turn4, turn5/],
    [['explain', 'turn44'], /no scenario "turn44"/, /did you mean turn4\?/],
    [['sim'], /missing required argument 'scenario'/, /usage: platform sim/],
    [['sim', 'turn4', '--qick'], /unknown option '--qick'/, /did you mean --quick\?/],
    [['sim', 'turn4', '--elephant'], /unknown option '--elephant'/, /usage: platform sim/],
    [['sim', 'turn4', '--duration', '30'], /--duration "30"/, /ms, s or m/],
    [['sim', 'turn4', '--duration'], /'--duration <time>' argument missing/, /usage/],
    [['sim', 'turn4', '--rate', 'fast'], /--rate "fast"/, /200\/s/],
    [['sim', 'turn4', '--seed', '-1'], /--seed "-1"/, /whole number/],
    [['sim', 'turn4', '--repeat', '0'], /--repeat "0"/, /1 to 100/],
    [['sim', 'turn4', '--format', 'pdf'], /"pdf"/, /html, md, json, junit/],
    [['sim', 'turn4', '--design', 'sample'], /no design "sample"/, /before and after/],
    [['sim', 'turn4', '--design', 'middle'], /"middle"/, /before, sample, after/],
    [['sim', './no-such.mjs'], /no file \.\/no-such\.mjs/, /looked for/],
    [['sim', 'package.json', './x.js'], /no scenario "package.json"/, /known/],
    [['smi', 'turn4'], /unknown command 'smi'/, /did you mean platform sim\?/],
    [['turn4'], /unknown command 'turn4'/, /did you mean platform sim turn4\?/],
    [['list', 'extra'], /too many arguments/, /usage: platform list/],
    [['report', 'no-such-run'], /no run "no-such-run"/, /./],
    [['report', 'package.json'], /not a result/, /schema is missing/],
    [['report', 'README.md'], /README\.md is not JSON/, /./],
    [['serve', '--design', 'turn4.aftr'], /no design "turn4.aftr"/, /did you mean turn4.after\?/],
    [['serve', '--port', '99999'], /--port "99999"/, /0 to 65535/],
  ])('%j exits 2 with three lines', async (argv, what, why) => {
    const { code, stdout, stderr } = await run(argv);
    const lines = stderr.trimEnd().split('\n');
    expect([code, stdout, lines.length]).toEqual([2, '', 3]);
    expect(lines[0]).toMatch(what);
    expect(lines[1]).toMatch(why);
    expect(lines[2]).toMatch(/^next: ./);
  });

  it.each([
    ['bad.mjs', 'throw new Error("inside")', /could not be loaded/, /inside/],
    ['empty.mjs', 'export const other = 1', /does not export a scenario/, /it exports other/],
    ['half.mjs', 'export const scenario = { id: "x" }', /does not export a scenario/, /./],
    ['throws.mjs', declaring('{ throw new Error("inside") }'), /mine does not declare/, /inside/],
    ['nothing.mjs', declaring('({})'), /mine does not declare/, /it has no arms/],
    [
      'idle.mjs',
      declaring('({ arms: { after: {} }, slos: [], invariants: [] })'),
      /topology of arm after/,
      /it has none/,
    ],
  ])('refuses the scenario file %s', async (name, text, what, why) => {
    const file = join(out, name);
    writeFileSync(file, text);
    const { code, stderr } = await run(['sim', file]);
    const lines = stderr.trimEnd().split('\n');
    expect([code, lines.length]).toEqual([2, 3]);
    expect(lines[0]).toMatch(what);
    expect(lines[1]).toMatch(why);
  });
});

describe('commands that run nothing', () => {
  it('prints the description, three examples and the commands without arguments', async () => {
    const { code, stdout, stderr } = await run([]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^platform turns a system design into an experiment/);
    expect(stdout).toContain('platform sim turn4');
    for (const verb of ['sim', 'list', 'explain', 'report', 'serve', 'doctor', 'setup']) {
      expect(stdout).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
    }
  });

  it.each([['--help'], ['sim', '--help'], ['--version']])('%s goes to stdout', async (...argv) => {
    const { code, stdout, stderr } = await run(argv);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.length).toBeGreaterThan(3);
  });

  it.skipIf('typescript' in process.features)(
    'names the Node version when it cannot read a TypeScript file',
    async () => {
      const file = join(out, 'mine.ts');
      writeFileSync(file, 'export const scenario: unknown = {};');
      const { code, stderr } = await run(['sim', file]);
      expect(code).toBe(2);
      expect(stderr).toContain(`Node ${process.versions.node}`);
      expect(stderr).toMatch(/^next: .*mine\.mjs/m);
    },
  );

  it('keeps --swap-arms out of the help', async () =>
    expect((await run(['sim', '--help'])).stdout).not.toContain('swap'));

  it('lists and explains, as text and as JSON', async () => {
    expect((await run(['list'])).stdout).toMatch(/^turn4 .*\n[\s\S]*before fail, after pass$/m);
    const listed = JSON.parse((await run(['list', '--json'])).stdout) as { id: string }[];
    expect(listed.map(({ id }) => id)).toEqual(scenarios.map(({ id }) => id));
    const explained = (await run(['explain', 'turn4'])).stdout;
    for (const part of [
      'What happens',
      'Documented',
      'What changes',
      'Workload',
      'SLOs',
      'Invariants',
    ])
      expect(explained).toMatch(new RegExp(`^${part}`, 'm'));
    for (const line of explained.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    const json = JSON.parse((await run(['explain', 'turn4', '--json'])).stdout) as { id: string };
    expect(json.id).toBe('turn4');
  });

  it('rebuilds the reports of a run, byte for byte', async () => {
    await sim(['--quiet']);
    const folder = join(out, 'turn4', 'latest');
    const again = join(out, 'again');
    const { code, stdout } = await run(['report', folder, '--format', 'json,md', '--out', again]);
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      join(again, 'report.md'),
      join(again, 'result.json'),
    ]);
    for (const name of ['report.md', 'result.json'])
      expect(readFileSync(join(again, name), 'utf8')).toBe(
        readFileSync(join(folder, name), 'utf8'),
      );
  });
});
