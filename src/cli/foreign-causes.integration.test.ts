// 13.14: "platform has a bug" is said of our code alone: users' modules and machines, through the real command.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN } from './fixtures/command.ts';

const isRoot = process.getuid?.() === 0;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'platform-causes-'));
  chmodSync(folder, 0o777);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(
  words: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; wrapper?: readonly string[] } = {},
) {
  const [command = '', ...argv] = [...(options.wrapper ?? []), process.execPath, BIN, ...words];
  const { status, stdout, stderr } = spawnSync(command, argv, {
    cwd: options.cwd ?? folder,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stdout, lines: stderr.trimEnd().split('\n') };
}

function expectThreeLines(
  { status, lines }: ReturnType<typeof run>,
  code: number,
  ...texts: RegExp[]
): void {
  expect(lines.join('\n')).not.toContain('bug');
  expect([status, lines.length]).toEqual([code, 3]);
  expect(lines[2]).toMatch(/^next: ./);
  for (const text of texts) expect(lines.join('\n')).toMatch(text);
}

const HEAD =
  "export const scenario = { id: 'mine', turn: 0, title: 't', question: 'q?', situation: 's.', ";
const REST = 'slos: [], invariants: [], scaleNote: "" }';

describe("a user's module", () => {
  it.each([
    [
      'with a syntax error',
      'export const a = 1;\nexport const = 2;\n',
      /could not be loaded/,
      /mine\.mjs:2/,
    ],
    ['that throws at its top', '\n\nthrow new Error("not today");\n', /not today/, /mine\.mjs:3/],
    ['that throws a word', 'throw "nothing";\n', /nothing/, /mine\.mjs/],
    [
      'that ends the process',
      'process.exit(0);\n',
      /ended the process while it was loaded/,
      /process\.exit/,
    ],
    [
      'with a throwing declare',
      `${HEAD} declare() {\n  return null.length;\n} };\n`,
      /null/,
      /mine\.mjs:2/,
    ],
    [
      'with throwing arms',
      `${HEAD} declare: () => ({ get arms() {\n  throw new Error("no arms");\n }, ${REST}) };\n`,
      /no arms/,
      /mine\.mjs:2/,
    ],
    [
      'whose arms are no arms',
      `${HEAD} declare: () => ({ arms: { after: { phases: null } }, ${REST}) };\n`,
      /mine/,
      /./,
    ],
    [
      'that rejects later',
      `setTimeout(() => Promise.reject(new Error("late")), 1);\nawait new Promise((r) => setTimeout(r, 300));\n${HEAD} declare: () => ({}) };\n`,
      /late/,
      /mine\.mjs:1/,
    ],
    [
      'that rejects with a word later',
      `setTimeout(() => Promise.reject("late word"), 1);\nawait new Promise((r) => setTimeout(r, 300));\n${HEAD} declare: () => ({}) };\n`,
      /late word/,
      /mine\.mjs/,
    ],
  ])('%s: exit 2', (_what, text, ...expected) => {
    writeFileSync(path.join(folder, 'mine.mjs'), text as string);
    expectThreeLines(run(['explain', './mine.mjs']), 2, ...(expected as RegExp[]));
    expectThreeLines(run(['sim', './mine.mjs']), 2, ...(expected as RegExp[]));
  });
});

describe('--out', () => {
  it.each([
    ['below a file', () => 'file/below', /a part of the path is a file/],
    ['that is a file', () => 'file', /a file is in the way|a part of the path is a file/],
    ['that is a link to nothing', () => 'dangling', /a link to nothing/],
    ['that is a link to itself', () => 'circle', /links lead in a circle/],
    ['in /proc', () => '/proc/x', /cannot write/],
  ])('%s is told at once, in three lines', (_what, out, why) => {
    writeFileSync(path.join(folder, 'file'), '');
    for (const [link, target] of [
      ['dangling', 'nowhere'],
      ['circle', 'circle'],
    ] as const) {
      rmSync(path.join(folder, link), { force: true });
      symlinkSync(target, path.join(folder, link));
    }
    expectThreeLines(run(['sim', 'turn1', '--quick', '--out', out()]), 3, why);
  });

  it.skipIf(!isRoot)('without permission, on a read-only file system, on a full disk', () => {
    const closed = path.join(folder, 'closed');
    mkdirSync(closed, { mode: 0o555 });
    const other = ['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups'];
    const sim = ['sim', 'turn1', '--quick', '--out', 'closed/reports'];
    expectThreeLines(run(sim, { wrapper: other }), 3, /this account may not write there/);
    const mounted = (options: string) => [
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount -t tmpfs -o ${options} tmpfs "$0" || exit 77; cd .; exec "$@"`,
      closed,
    ];
    const readOnly = run(sim, { wrapper: mounted('ro') });
    if (readOnly.status === 77) return;
    expectThreeLines(readOnly, 3, /the file system is read-only/);
    expectThreeLines(run(sim, { wrapper: mounted('size=16k') }), 3, /the disk is full/);
  });
});

describe('a machine', () => {
  it.skipIf(!isRoot)('whose user has no passwd entry, no HOME, or one that is not writable', () => {
    const stranger = ['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups'];
    const env = { HOME: undefined, PLATFORM_CACHE: undefined, XDG_CACHE_HOME: undefined };
    const sim = ['sim', 'turn1', '--quick', '--out', path.join(folder, 'reports')];
    expectThreeLines(run(sim, { wrapper: stranger, env }), 3, /no home folder/, /PLATFORM_CACHE=/);
    const unwritable = run(sim, { wrapper: stranger, env: { ...env, HOME: '/nonexistent' } });
    expectThreeLines(unwritable, 3, /cannot create the cache folder/, /PLATFORM_CACHE=/);
    const cache = path.join(folder, 'stranger-cache');
    mkdirSync(cache, { mode: 0o777 });
    chmodSync(cache, 0o777);
    const doctor = run(['doctor', '--json'], {
      wrapper: stranger,
      env: { ...env, PLATFORM_CACHE: cache },
    });
    expect(doctor.status).toBe(3);
    const { checks } = JSON.parse(doctor.stdout) as {
      checks: { id: string; status: string; found: string; fix: string }[];
    };
    const postgres = checks.find(({ id }) => id === 'postgres');
    expect(postgres).toMatchObject({ status: 'fail', fix: expect.stringContaining('/etc/passwd') });
    expect(postgres?.found).toMatch(/could not look up effective user ID 54321/);
  });

  it('whose working folder is gone', () => {
    const gone = path.join(folder, 'gone');
    mkdirSync(gone);
    const wrapper = ['sh', '-c', 'rmdir "$PWD"; exec "$@"', 'sh'];
    expectThreeLines(
      run(['sim', 'turn1', '--quick'], { cwd: gone, wrapper }),
      3,
      /the working folder is gone/,
    );
  });

  it('whose reader has closed the output: no message and no bug', () => {
    const words = [process.execPath, BIN, 'list'].map((word) => `'${word}'`).join(' ');
    const { stderr } = spawnSync('sh', ['-c', `${words} | true`], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(stderr).toBe('');
  });

  it.skipIf(!isRoot)('without shared memory, or with 8 kB of it, is ready', () => {
    for (const options of ['size=8k', 'mode=000,size=8k']) {
      const wrapper = [
        'unshare',
        '-m',
        'sh',
        '-c',
        `mount -t tmpfs -o ${options} tmpfs /dev/shm || exit 77; exec "$@"`,
        'sh',
      ];
      const { status, stdout, lines } = run(['doctor', '--json'], { wrapper });
      if (status === 77) return;
      const { checks } = JSON.parse(stdout) as {
        checks: { id: string; status: string; found: string }[];
      };
      expect(checks.filter((check) => check.status === 'fail')).toEqual([]);
      expect(lines).toEqual(['']);
    }
  });
});
