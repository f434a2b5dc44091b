/** The compiled hashing process: its results, its priority, restart after death, and exit with its parent. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { deriveSync } from './derivation.ts';
import { createHashProcess } from './hash-client.ts';

const cheap = { length: 32, cost: 16, blockSize: 1, parallelization: 1 };
const given = { ...cheap, password: 'pässword', salt: Buffer.alloc(16, 7) };
const hashing = createHashProcess();
afterEach(() => hashing.close());

/** Field 19 of /proc/<pid>/stat, counted after the name. */
const niceOf = (pid: number) =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[16]);

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

async function hasExited(pid: number): Promise<boolean> {
  for (let i = 0; i < 500 && isAlive(pid); i += 1) await delay(10);
  return !isAlive(pid);
}

describe('the hashing process', () => {
  it('computes what scrypt computes, many at once, at the lowest priority', async () => {
    const all = Array.from({ length: 20 }, (_, i) => ({ ...given, password: `password ${i}` }));
    const hashes = await Promise.all(all.map((one) => hashing.derive(one)));
    expect(hashes).toEqual(all.map(deriveSync));
    expect(niceOf(hashing.pid()!)).toBe(19);
    const group = `/proc/${hashing.pid()}/autogroup`;
    if (existsSync(group)) expect(readFileSync(group, 'utf8')).toContain('nice 19');
  });

  it('rejects the pending hash when it dies, and starts again for the next password', async () => {
    await hashing.derive(given);
    const pid = hashing.pid()!;
    process.kill(pid, 'SIGSTOP');
    const pending = hashing.derive(given).catch((error: Error) => error.message);
    process.kill(pid, 'SIGKILL');
    expect(await pending).toContain('SIGKILL');
    expect(await hashing.derive(given)).toEqual(deriveSync(given));
    expect(hashing.pid()).not.toBe(pid);
  });

  it('rejects an invalid cost and keeps running', async () => {
    await expect(hashing.derive({ ...given, cost: 3 })).rejects.toThrow();
    expect(await hashing.derive(given)).toEqual(deriveSync(given));
  });

  it('exits when its parent is killed', async () => {
    const module = new URL(
      '../../../../dist/services/sessions/hashing/hash-client.js',
      import.meta.url,
    ).href;
    const program = `const { createHashProcess } = await import(${JSON.stringify(module)});
      const hashing = createHashProcess();
      await hashing.derive({ ...${JSON.stringify(cheap)}, password: 'a', salt: Buffer.alloc(16) });
      process.send(hashing.pid());
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [pid] = (await once(parent, 'message')) as [number];
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    expect(await hasExited(pid)).toBe(true);
  });
});
