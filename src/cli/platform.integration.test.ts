// The command as a person or a CI job runs it: a process of its own, pipes, a terminal that is not one.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { turn4Result } from '../report/fixtures/turn4-result.ts';
import { renderJson } from '../report/json.ts';
import { writeReadmeExample } from './fixtures/readme-example.ts';

const BIN = fileURLToPath(new URL('../../bin/platform.js', import.meta.url));
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'platform-bin-'));
  const run = join(folder, 'reports', 'turn4', turn4Result.runId);
  mkdirSync(run, { recursive: true });
  const { writeFile } = await import('node:fs/promises');
  await writeFile(join(run, 'result.json'), renderJson(turn4Result));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function launch(argv: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [BIN, ...argv], {
    cwd: folder,
    env: { ...process.env, FORCE_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
}

async function platform(...argv: readonly string[]) {
  const child = launch(argv);
  const text = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => (text.stdout += String(chunk)));
  child.stderr?.on('data', (chunk) => (text.stderr += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...text };
}

describe('a checkout that is not built', () => {
  const run = async (file: string, checkout: string) => {
    const child = spawn(process.execPath, [join(checkout, 'bin', file)], { timeout: 60_000 });
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stderr };
  };

  it('says so in one sentence, when it is installed and when it is used', async () => {
    const checkout = mkdtempSync(join(tmpdir(), 'platform-unbuilt-'));
    cpSync(fileURLToPath(new URL('../../bin', import.meta.url)), join(checkout, 'bin'), {
      recursive: true,
    });
    writeFileSync(join(checkout, 'package.json'), '{"type":"module"}');
    try {
      const installed = await run('prepare.js', checkout);
      expect([installed.code, installed.stderr.trimEnd().split('\n').length]).toEqual([0, 1]);
      const used = await run('platform.js', checkout);
      expect([used.code, used.stderr.trimEnd().split('\n').length]).toEqual([3, 1]);
      // Where scripts of packages are forbidden, an installation does not build.
      for (const { stderr } of [installed, used]) expect(stderr).toContain('&& npm run build');
    } finally {
      rmSync(checkout, { recursive: true, force: true });
    }
  });
});

describe('the platform command', () => {
  it('answers --help without loading the engine', async () => {
    const { code, stdout, stderr } = await platform('--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('platform sim turn4');
  });

  it('prints lists, explanations and errors without escape codes, also where colour is forced', async () => {
    for (const argv of [['list'], ['explain', 'turn4'], ['sim', 'trun4'], []]) {
      const { stdout, stderr } = await platform(...argv);
      expect(stdout + stderr).not.toContain('\u001b');
      expect(stdout + stderr).not.toContain('\r');
    }
  });

  it('prints one JSON document for a pipe', async () => {
    expect(JSON.parse((await platform('list', '--json')).stdout)).toHaveLength(5);
    expect(JSON.parse((await platform('explain', 'turn4', '--json')).stdout)).toHaveProperty(
      'slos',
    );
  });

  it('names a module that hangs, or throws in its declare, with its line: exit 2', async () => {
    writeFileSync(join(folder, 'hangs.mjs'), 'await new Promise(() => {});\n');
    const identity = "id: 'mine', turn: 0, title: 't', question: 'q', situation: 's'";
    const declare = 'declare() {\n    return undefined.arms;\n  }';
    writeFileSync(
      join(folder, 'throws.mjs'),
      `export const scenario = {\n  ${identity},\n  ${declare},\n};\n`,
    );
    const [hangs, throws] = await Promise.all(
      ['hangs', 'throws'].map((name) => platform('explain', `./${name}.mjs`)),
    );
    expect([hangs!.code, throws!.code]).toEqual([2, 2]);
    expect(hangs!.stderr).toMatch(/^\.\/hangs\.mjs could not be loaded\nnothing within 10 s/);
    expect(throws!.stderr).toContain('(throws.mjs:4)');
    for (const { stderr } of [hangs!, throws!])
      expect(stderr.trimEnd().split('\n')).toHaveLength(3);
  });

  it("explains the README's scenario of your own, which also type-checks", async () => {
    const example = writeReadmeExample();
    try {
      const { code, stdout, stderr } = await platform('explain', example.file);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^activity-heavy: /);
      expect(stdout.replace(/\s+/g, ' ')).toContain('recent activity 50 %');
      expect(stdout).toMatch(/^ {2}typical +latency\.p50 < 50ms$/m);
      const strict = ['--allowJs', '--checkJs', '--strict', '--noEmit', '--skipLibCheck'];
      const target = ['--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
      const checked = spawnSync(
        'npx',
        ['tsc', '--ignoreConfig', ...strict, ...target, example.file],
        {
          encoding: 'utf8',
          timeout: 60_000,
        },
      );
      expect([checked.status, checked.stdout]).toEqual([0, '']);
    } finally {
      example.remove();
    }
  });

  it('explain advises commands that the program accepts, also for a file of your own', {
    timeout: 120_000,
  }, async () => {
    const example = writeReadmeExample();
    // A path that a shell would take apart.
    symlinkSync(fileURLToPath(new URL('./fixtures', import.meta.url)), join(folder, 'my own'));
    try {
      for (const name of ['turn4', example.file, './my own/shop-scenario.mjs']) {
        const { stdout } = await platform('explain', name);
        const commands = stdout.match(/^ *platform .*$/gm) ?? [];
        expect(commands.length).toBeGreaterThanOrEqual(2);
        for (const command of commands) {
          // It ends as soon as it has accepted the command and opens the stores: 3.
          const words = `"$NODE" "$BIN" ${command.trim().replace(/^platform /, '')}`;
          const stores = { DATABASE_URL: 'none', REDIS_URL: 'none', PATH: folder };
          const ran = spawnSync('/bin/sh', ['-c', words], {
            cwd: folder,
            env: { ...process.env, ...stores, NODE: process.execPath, BIN },
            encoding: 'utf8',
            timeout: 60_000,
          });
          expect([command, ran.status], ran.stderr).toEqual([command, 3]);
        }
      }
    } finally {
      example.remove();
    }
  });

  it('stays silent when the reader of the pipe leaves', async () => {
    const child = launch(['explain', 'turn4', '--json']);
    child.stdout?.destroy();
    let stderr = '';
    child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
    const [code] = (await once(child, 'close')) as [number | null];
    expect([code, stderr]).toEqual([0, '']);
  });

  it('rebuilds every format from result.json alone, the same bytes each time', async () => {
    const run = join(folder, 'reports', 'turn4', turn4Result.runId);
    const first = await platform('report', turn4Result.runId);
    expect([first.code, first.stderr]).toEqual([0, '']);
    expect(first.stdout.trim().split('\n')).toHaveLength(4);
    cpSync(run, join(folder, 'copy'), { recursive: true });
    for (const name of ['report.html', 'report.md', 'junit.xml']) rmSync(join(run, name));
    expect((await platform('report', run)).code).toBe(0);
    for (const name of ['report.html', 'report.md', 'junit.xml', 'result.json'])
      expect(readFileSync(join(run, name))).toEqual(readFileSync(join(folder, 'copy', name)));
    expect(existsSync(join(run, 'report.html'))).toBe(true);
  });

  it.each([
    [['sim', 'turn4', '--duration', '30'], 2],
    [['sim', 'elephant'], 2],
    [['smi'], 2],
    [['report', 'copy/report.md'], 2],
  ])('%j: three lines on stderr, nothing on stdout', async (argv, expected) => {
    const { code, stdout, stderr } = await platform(...argv);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
    expect(stderr).toMatch(/^next: /m);
  });

  it('refuses a port that is taken, exit 3', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, stderr } = await platform('serve', '--port', String(port));
    server.close();
    expect(code).toBe(3);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
    expect(stderr).toContain(`127.0.0.1:${port}`);
  });
});

describe('platform serve', () => {
  it('serves a design until Ctrl-C, with a request that can be pasted', async () => {
    const child = launch(['serve', '--design', 'turn4.after', '--port', '0']);
    let [stdout, stderr] = ['', ''];
    child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (chunk) => {
        stdout += String(chunk);
        if (/^redis /m.test(stdout)) resolve();
      });
      child.once('close', () => reject(new Error(stderr)));
    });
    await ready;
    const [, token, url] = /authorization: (Bearer \S+)' (http:\S+)/.exec(stdout) ?? [];
    const answer = await fetch(url ?? '', { headers: { authorization: token ?? '' } });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('{')]);
    for (const name of ['openapi', 'metrics']) {
      const [, page] = new RegExp(`^${name} +(\\S+)$`, 'm').exec(stdout) ?? [];
      expect((await fetch(page ?? '')).status).toBe(200);
    }
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    expect([code, stderr]).toEqual([0, expect.stringContaining('stopping')]);
    await expect(fetch(url ?? '')).rejects.toThrow();
  });
});
