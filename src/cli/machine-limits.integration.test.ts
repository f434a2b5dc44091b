// 13.12: limits of the generator and of the machine are not the design's: the verdict is unknown, and the limit is named.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { childrenOf } from '../sim/effects/process/process-table.ts';
import { makeScratch, type Scratch } from '../sim/effects/testbed/fixtures/bed.ts';
import { arm, get, phase, scenario } from '../sim/fixtures/small-scenario.ts';
import type { Result } from '../sim/result.ts';
import { runScenario } from '../sim/run.ts';
import { runVerify } from './finished-run/verify.ts';
import { captureIo } from './fixtures/captured-io.ts';
import { BIN } from './fixtures/command.ts';
import { runCli } from './run-cli.ts';

let scratch: Scratch;
beforeAll(async () => {
  scratch = await makeScratch();
  vi.stubEnv('PLATFORM_CACHE', scratch.cache);
  writeFileSync(service(), SERVICE);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await scratch.remove();
});

const stages = [{ ratePerSecond: 100, durationMs: 4_000 }];
const load = { kind: 'open', arrivals: 'constant', stages, operations: [get] } as const;
/** Takes fresh memory for every answer. */
const service = () => path.join(scratch.root, 'hungry-service.mjs');
const SERVICE = `import { createServer } from 'node:http';
const kept = [];
createServer((request, response) => {
  kept.push(Buffer.alloc(1e6, 1));
  if (kept.length > 20) kept.shift();
  response.end();
}).listen(Number(process.env.PORT), '127.0.0.1');
`;
const small = () =>
  scenario({
    arms: {
      after: arm({
        topology: {
          nodes: { service: { kind: 'process', start: { command: ['node', service()] } } },
          edges: [{ from: 'client', to: 'service' }],
          jobs: [],
        },
        phases: [phase({ load })],
      }),
    },
    slos: [{ id: 'errors', objective: 'errors < 1%' }],
  });

const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
};

/** Runs, and calls `disturb` once the load is on, with the pid of the process whose command line has `program`. */
async function simWith(program: RegExp, disturb: (pid: number) => void) {
  const out = path.join(scratch.root, `reports-${Math.random().toString(36).slice(2)}`);
  const io = captureIo({});
  let isDone = false;
  const hooks = { on: () => hooks, off: () => hooks, exit: () => undefined } as never;
  const code = await runCli(['sim', 'small', '--out', out, '--quiet'], {
    scenarios: [small()],
    io,
    process: hooks,
    runScenario: (options) =>
      runScenario({
        ...options,
        onEvent(event) {
          options.onEvent(event);
          if (event.type !== 'progress' || isDone) return;
          const pid = childrenOf(process.pid).find((one) => program.test(commandLine(one)));
          if (pid === undefined) return;
          isDone = true;
          disturb(pid);
        },
      }),
  });
  const folder = path.join(out, 'small', 'latest');
  const result = JSON.parse(readFileSync(path.join(folder, 'result.json'), 'utf8')) as Result;
  const report = readFileSync(path.join(folder, 'report.md'), 'utf8');
  return { code, folder, text: io.out(), report, after: result.arms.after! };
}

function expectNamed(run: Awaited<ReturnType<typeof simWith>>, name: RegExp): void {
  expect(run.code).toBe(97);
  expect(run.after.verdict).toBe('unknown');
  const check = run.after.validity.find(({ id }) => id === 'machine-limits');
  expect(check).toMatchObject({ ok: false, severity: 'unknown' });
  expect(check?.measured).toMatch(name);
  expect(run.after.reason).toMatch(name);
  expect(run.text.replace(/\s+/g, ' ')).toMatch(name);
  expect(run.report).toMatch(name);
}

it('a generator that is killed leaves a report that says so, and that verify can compute again', async () => {
  const run = await simWith(/sender-process/, (pid) => process.kill(pid, 'SIGKILL'));
  expectNamed(run, /the load generator: sender was killed by a SIGKILL that this run did not send/);
  expect(run.after.outcomes.ok).toBeGreaterThan(10);
  const io = captureIo({});
  const verified = await runVerify(run.folder, { json: false }, { scenarios: [small()], io });
  expect([verified, io.errors()]).toEqual([0, expect.not.stringContaining('does not match')]);
});

it('a service that is killed is no missed objective', async () => {
  const run = await simWith(/hungry-service/, (pid) => process.kill(pid, 'SIGKILL'));
  expectNamed(run, /service was killed by a SIGKILL that this run did not send/);
  expect(run.after.slos[0]?.verdict).toBe('fail');
});

/** A memory control group of 3 MB beside ours; null where this account may not make one. */
function tinyGroup(): { add(pid: number): void; remove(): void } | null {
  const name = `platform-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const isOlder = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const folder = isOlder ? `/sys/fs/cgroup/memory/${name}` : `/sys/fs/cgroup/${name}`;
  try {
    mkdirSync(folder);
    const limit = isOlder ? 'memory.limit_in_bytes' : 'memory.max';
    writeFileSync(path.join(folder, limit), `${3 * 1024 ** 2}`);
    if (!isOlder) writeFileSync(path.join(folder, 'memory.swap.max'), '0');
  } catch {
    return null;
  }
  return {
    add: (pid) => writeFileSync(path.join(folder, 'cgroup.procs'), `${pid}`),
    remove: () => rmdirSync(folder),
  };
}

it.each([
  [
    'the generator',
    /sender-process/,
    /the load generator: sender was killed by the kernel, out of memory \(OOM\)/,
  ],
  ['a service', /hungry-service/, /service was killed by the kernel, out of memory \(OOM\)/],
])('%s that the kernel kills for lack of memory', async (_what, program, name) => {
  const group = tinyGroup();
  if (group === null) {
    console.warn('skipped: no memory control group can be made here');
    return;
  }
  try {
    expectNamed(await simWith(program, group.add), name);
  } finally {
    group.remove();
  }
});

it('descriptors that the generator lacks are not errors of the service', async () => {
  const file = path.join(scratch.root, 'slow.mjs');
  const service = path.join(scratch.root, 'slow-service.mjs');
  writeFileSync(
    service,
    `import { createServer } from 'node:http';
createServer((request, response) => setTimeout(() => response.end(), request.url === '/' ? 0 : 2500))
  .listen(Number(process.env.PORT), '127.0.0.1');\n`,
  );
  const load = {
    kind: 'open',
    arrivals: 'constant',
    stages: [{ ratePerSecond: 200, durationMs: 2_500 }],
    operations: [{ ...get, path: '/slow' }],
  };
  const declared = {
    arms: {
      after: {
        design: 'slow.after',
        description: 'answers late',
        expected: 'pass',
        mustFail: [],
        topology: {
          nodes: { service: { kind: 'process', start: { command: ['node', service] } } },
          edges: [{ from: 'client', to: 'service' }],
          jobs: [],
        },
        phases: [phase({ load: load as never })],
      },
    },
    slos: [{ id: 'errors', objective: 'errors < 1%' }],
    invariants: [],
    scaleNote: '',
  };
  writeFileSync(
    file,
    `export default { id: 'slow', turn: 0, title: 'Slow', question: 'q?', situation: 's.', declare: () => (${JSON.stringify(declared)}) };\n`,
  );
  const out = path.join(scratch.root, 'slow-reports');
  const words = [process.execPath, BIN, 'sim', file, '--out', out].map((word) => `'${word}'`);
  const { code, stdout, stderr } = await new Promise<{
    code: number;
    stdout: string;
    stderr: string;
  }>((resolve) => {
    execFile(
      '/bin/sh',
      ['-c', `ulimit -n 300; exec ${words.join(' ')}`],
      { timeout: 90_000 },
      (error, so, se) => resolve({ code: Number(error?.code ?? 0), stdout: so, stderr: se }),
    );
  });
  expect(stderr).toContain('a process may open 300 files and sockets');
  expect(stdout.replace(/\s+/g, ' ')).toMatch(
    /requests met the limit of the generator's file descriptors/,
  );
  expect(code).toBe(97);
});
