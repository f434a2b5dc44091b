// What fails after a run has been measured: the verdict is printed first, a warning says what failed, and the exit code
// stays the verdict's.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeScratch, type Scratch } from '../sim/effects/testbed/fixtures/bed.ts';
import { NODE_KINDS } from '../sim/effects/testbed/node-kinds.ts';
import { plantedNode } from '../sim/fixtures/planted-node.ts';
import { arm, get, phase, scenario } from '../sim/fixtures/small-scenario.ts';
import type { RunScenario } from '../sim/run/run-options.ts';
import { runScenario } from '../sim/run.ts';
import { captureIo } from './fixtures/captured-io.ts';
import { runCli } from './run-cli.ts';

const stages = [{ ratePerSecond: 60, durationMs: 1_000 }];
const load = { kind: 'open', arrivals: 'constant', stages, operations: [get] } as const;
const small = scenario({
  arms: { after: arm({ phases: [phase({ load })] }) },
  slos: [{ id: 'mean', objective: 'latency.mean < 10s' }],
});

let scratch: Scratch;
beforeAll(async () => {
  scratch = await makeScratch();
  vi.stubEnv('PLATFORM_CACHE', scratch.cache);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await scratch.remove();
});

let runs = 0;
async function sim(
  given: { prepare?: (out: string) => void; run?: RunScenario; declared?: typeof small } = {},
) {
  const out = path.join(scratch.root, `reports-${++runs}`);
  mkdirSync(path.join(out, 'small'), { recursive: true });
  given.prepare?.(out);
  const io = captureIo({});
  const hooks = { on: () => hooks, off: () => hooks, exit: () => undefined } as never;
  const code = await runCli(['sim', 'small', '--out', out], {
    scenarios: [given.declared ?? small],
    runScenario: given.run ?? runScenario,
    io,
    process: hooks,
  });
  await new Promise((resolve) => setImmediate(resolve));
  return { code, out, stdout: io.out(), stderr: io.errors() };
}

/** Runs, and then `spoil`s the run's folder before the reports are written. */
const spoiling =
  (spoil: (folder: string) => void): RunScenario =>
  async (options) => {
    const outcome = await runScenario(options);
    spoil(outcome.folder);
    return outcome;
  };

const warnings = (stderr: string) => stderr.split('\n').filter((line) => line.includes('warning:'));

describe('after a measured run, the verdict stands', () => {
  it('without a warning where everything can be written', async () => {
    const { code, stdout, stderr, out } = await sim();
    expect([code, warnings(stderr)]).toEqual([0, []]);
    expect(stdout).toContain('small pass');
    expect(readFileSync(path.join(out, 'small', 'latest', 'report.md'), 'utf8')).toContain('Small');
  });

  it('where `latest` is a directory', async () => {
    const prepare = (out: string) =>
      mkdirSync(path.join(out, 'small', 'latest', 'full'), { recursive: true });
    const { code, stdout, stderr } = await sim({ prepare });
    expect(stdout).toContain('small pass');
    expect(warnings(stderr)).toHaveLength(1);
    expect(stderr).toMatch(/warning: cannot write .*latest: .*; the verdict stands/);
    expect(code).toBe(0);
  });

  it('where a report cannot be written, and the manifest neither', async () => {
    const run = spoiling((folder) => {
      mkdirSync(path.join(folder, 'report.html', 'full'), { recursive: true });
      mkdirSync(path.join(folder, 'manifest.json', 'full'), { recursive: true });
    });
    const { code, stdout, stderr } = await sim({ run });
    expect(stdout).toContain('small pass');
    expect(warnings(stderr)).toHaveLength(2);
    expect(code).toBe(0);
  });

  it('where the whole folder is gone', async () => {
    const run: RunScenario = async (options) => {
      const outcome = await runScenario(options);
      await rm(outcome.folder, { recursive: true });
      writeFileSync(outcome.folder, '');
      return outcome;
    };
    const { code, stdout, stderr } = await sim({ run });
    expect(stdout).toContain('small pass');
    expect(warnings(stderr).length).toBeGreaterThanOrEqual(2);
    expect(code).toBe(0);
  });

  it('where the testbed cannot be removed', async () => {
    const unregister = NODE_KINDS.register({
      ...plantedNode,
      async start(name, spec, context) {
        const node = await plantedNode.start(name, spec, context);
        context.undo.add('stuck', () => Promise.reject(new Error('it does not let go')));
        return node;
      },
    });
    try {
      const topology = {
        nodes: { echo: { kind: 'x-echo' } },
        edges: [{ from: 'client', to: 'echo' }],
        jobs: [],
      } as const;
      const declared = scenario({
        arms: { after: arm({ topology, phases: [phase({ load })] }) },
        slos: [{ id: 'mean', objective: 'latency.mean < 10s' }],
      });
      const { code, stdout, stderr } = await sim({ declared });
      expect(stdout).toContain('small pass');
      expect(stderr).toMatch(/testbed was not removed: .*it does not let go/s);
      expect(code).toBe(0);
    } finally {
      unregister();
    }
  });
});

describe('a stdout that is full', () => {
  const bin = fileURLToPath(new URL('../../bin/platform.js', import.meta.url));
  const intoFull = (...argv: string[]) =>
    new Promise<{ code: number; stderr: string }>((resolve) => {
      const words = [process.execPath, bin, ...argv].map((word) => `'${word}'`).join(' ');
      execFile('/bin/sh', ['-c', `${words} > /dev/full`], (error, _stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stderr }),
      );
    });

  it('is told in one line, and is exit 3 where the text was all there was', async () => {
    const { code, stderr } = await intoFull('list');
    expect(stderr).toMatch(/^warning: stdout cannot be written: ENOSPC/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(3);
  });

  it("keeps a run's own exit code", async () => {
    const file = path.join(scratch.root, 'small.mjs');
    const service = fileURLToPath(new URL('../sim/fixtures/answering.mjs', import.meta.url));
    const declared = {
      id: 'small',
      turn: 0,
      title: 'Small',
      question: 'Does it answer?',
      situation: 'It is asked.',
    };
    const topology = {
      nodes: { service: { kind: 'process', start: { command: ['node', service] } } },
      edges: [{ from: 'client', to: 'service' }],
      jobs: [],
    };
    const after = {
      design: 'small.after',
      description: 'answers',
      expected: 'pass',
      mustFail: [],
      topology,
      phases: [phase({ load })],
    };
    const rest = {
      arms: { after },
      slos: [{ id: 'mean', objective: 'latency.mean < 10s' }],
      invariants: [],
      scaleNote: '',
    };
    writeFileSync(
      file,
      `export default { ...${JSON.stringify(declared)}, declare: () => (${JSON.stringify(rest)}) };\n`,
    );
    const out = path.join(scratch.root, 'full');
    const { code, stderr } = await intoFull('sim', file, '--quiet', '--out', out);
    expect(stderr).toContain('warning: stdout cannot be written: ENOSPC');
    expect(code).toBe(0);
  });
});
