import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import type { RunOptions, RunScenario } from '../../sim/run/run-options.ts';
import { runScenario } from '../../sim/run.ts';
import { fakeRun } from '../fixtures/fake-run.ts';
import { runCli } from '../run-cli.ts';

let out = '';
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'platform-load-flag-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

async function sim(argv: readonly string[], engine: RunScenario = fakeRun({ secondMs: 0 })) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let text = '';
  stderr.on('data', (chunk) => (text += String(chunk)));
  const io = { stdout, stderr, stdin: new PassThrough(), env: {}, isInteractive: false };
  const host = Object.assign(new EventEmitter(), { exit: () => {} });
  const args = ['sim', 'turn4', '--out', out, '--format', 'json', '--quiet', ...argv];
  const code = await runCli(args, { scenarios, runScenario: engine, io, process: host });
  return { code, stderr: text };
}

describe('--load', () => {
  it('passes the generator to the engine, and none without the flag', async () => {
    const seen: RunOptions[] = [];
    const spy: RunScenario = (options) => {
      seen.push(options);
      return fakeRun({ secondMs: 0 })(options);
    };
    await sim(['--rate', '200/s', '--load', 'undici'], spy);
    expect(seen[0]!.plan.generator).toEqual({ tool: 'undici', ratePerSecond: 200 });
    await sim(['--rate', '200/s'], spy);
    expect(seen[1]!.plan.generator).toBeNull();
  });

  it('needs a rate', async () => {
    const { code, stderr } = await sim(['--load', 'k6']);
    expect(code).toBe(2);
    expect(stderr.trimEnd().split('\n')).toEqual([
      '--load k6 needs --rate',
      expect.stringContaining('open arrivals'),
      'next: platform sim turn4 --load k6 --rate 200/s',
    ]);
  });

  it.each([
    ['k7', 'did you mean k6?', '--load k6'],
    ['wrk2', 'undici, autocannon, k6', '--load k6'],
  ])('refuses %s', async (name, why, next) => {
    const { code, stderr } = await sim(['--rate', '200/s', '--load', name]);
    const lines = stderr.trimEnd().split('\n');
    expect(code).toBe(2);
    expect(lines[0]).toBe(`--load does not know "${name}"`);
    expect(lines[1]).toContain(why);
    expect(lines[2]).toContain(next);
  });

  it('refuses phases whose load and faults are one script', async () => {
    const { code, stderr } = await sim(['turn1', '--load', 'k6', '--rate', '200/s']);
    expect(code).toBe(2);
    expect(stderr).toContain('--load k6 cannot play turn1');
  });

  it('says how to install what the machine does not have, before anything is started', async () => {
    const path = process.env.PATH;
    process.env.PATH = out;
    try {
      const { code, stderr } = await sim(['--rate', '200/s', '--load', 'k6'], runScenario);
      expect(code).toBe(3);
      expect(stderr).toContain('--load k6 needs k6, and there is none on PATH');
      expect(stderr).toContain('next: go install go.k6.io/k6@latest');
    } finally {
      process.env.PATH = path;
    }
  });

  it('requires whole requests a second for autocannon', async () => {
    const { code, stderr } = await sim(['--rate', '90/m', '--load', 'autocannon'], runScenario);
    expect(code).toBe(2);
    expect(stderr).toContain('next: repeat the command with --rate 2/s');
  });
});
