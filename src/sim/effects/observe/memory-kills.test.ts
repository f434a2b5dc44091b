import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ChildFailure } from '../process/child-process.ts';
import { limitOfExit, limitOfGenerator, readMemoryKills } from './memory-kills.ts';

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true });
});
function fileSystem(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(tmpdir(), 'platform-kills-'));
  roots.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return root;
}

it.each([
  [
    'of a unified control group',
    {
      'proc/self/cgroup': '0::/user.slice/run.scope\n',
      'sys/fs/cgroup/user.slice/run.scope/memory.events': 'low 0\noom 4\noom_kill 3\n',
      'proc/vmstat': 'nr_free_pages 1\noom_kill 7\n',
    },
    { group: 3, machine: 7 },
  ],
  [
    'within a container, which sees its own group as the root',
    { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/memory.events': 'oom_kill 1\n' },
    { group: 1, machine: null },
  ],
  [
    'of the older memory controller',
    {
      'proc/self/cgroup': '5:cpu:/x\n4:memory:/run\n0::/\n',
      'sys/fs/cgroup/memory/run/memory.oom_control': 'under_oom 0\noom_kill 2\n',
    },
    { group: 2, machine: null },
  ],
  ['nowhere', {}, { group: null, machine: null }],
])('reads the kills for lack of memory %s', (_where, files, expected) => {
  expect(readMemoryKills(fileSystem(files as Record<string, string>))).toEqual(expected);
});

const none = { group: null, machine: null };
const notice = (name: string, status: string, lastLines: string[] = []) => ({
  name,
  pid: 1,
  status,
  lastLines,
  logFile: '/log',
});

it('a service that was killed from outside met a limit; one that ends by itself did not', () => {
  for (const status of ['killed by SIGKILL', 'exit status 137'])
    expect(limitOfExit(notice('gateway.1', status), none)?.what).toMatch(/^gateway\.1 was killed/);
  expect(limitOfExit(notice('gateway.1', 'exit status 1'), none)).toBeNull();
  const full = ['FATAL ERROR: Reached heap limit: JavaScript heap out of memory'];
  expect(limitOfExit(notice('gateway.1', 'killed by SIGABRT', full), none)).toBeNull();
});

it.each([
  ['killed by SIGKILL', [], /sender was killed by a SIGKILL that this run did not send/],
  ['killed by SIGABRT', ['x: JavaScript heap out of memory'], /Node's heap was full/],
  [
    'exit status 1',
    ["Error: EMFILE: too many open files, open '/x'"],
    /no file descriptors were left/,
  ],
  ['exit status 1', ['Error: ENOSPC: no space left on device, write'], /the disk was full/],
])('a generator that ended with %s %j met a limit', (status, lines, what) => {
  const error = new ChildFailure('ended', notice('sender', status, lines));
  expect(limitOfGenerator(error, none)).toMatchObject({ isGenerator: true });
  expect(limitOfGenerator(error, none)?.what).toMatch(what);
});

it('a generator that ended by a fault of ours did not', () => {
  const crash = ['TypeError: x is not a function'];
  const ended = new ChildFailure('ended', notice('sender', 'exit status 1', crash));
  expect(limitOfGenerator(ended, none)).toBeNull();
  expect(
    limitOfGenerator(new ChildFailure('', notice('gateway', 'killed by SIGKILL')), none),
  ).toBeNull();
  expect(limitOfGenerator(new Error('EMFILE'), none)).toBeNull();
  expect(limitOfGenerator(new Error('the sender failed: EMFILE: too many'), none)).not.toBeNull();
});
