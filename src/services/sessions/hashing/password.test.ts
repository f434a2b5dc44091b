import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createAdmission } from './admission.ts';
import { createPasswords } from './password.ts';

const random = { uuid: () => randomUUID(), bytes: (count: number) => randomBytes(count) };
const cheap = { hashing: 'threads', cost: 16, blockSize: 1, parallelization: 1 } as const;
const limits = { maxConcurrent: 2, maxWaiting: 3, maxWaitMs: 1_000 };
const passwords = createPasswords({ design: { ...cheap, ...limits }, random });

describe('passwords', () => {
  it('accepts the right one, refuses another, and salts', async () => {
    const hash = await passwords.hash('pässword one');
    expect(hash).toMatch(/^\$scrypt\$ln=4,r=1,p=1\$/);
    expect(hash).not.toBe(await passwords.hash('pässword one'));
    expect(await passwords.verify('pässword one', hash)).toBe(true);
    // The same letters typed with a combining accent.
    expect(await passwords.verify('pa\u0308ssword one', hash)).toBe(true);
    expect(await passwords.verify('password one', hash)).toBe(false);
  });

  it('hashes for an unknown user too and answers no', async () => {
    expect(await passwords.verify('anything', null)).toBe(false);
  });

  it('answers 503, not "wrong password", when hashing fails', async () => {
    const impossible = `$scrypt$ln=0,r=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
    const result = passwords.verify('anything', impossible);
    await expect(result).rejects.toMatchObject({ status: 503, code: 'hashing-failed' });
  });

  it('refuses the sixth of six at once when two may work and three may wait', async () => {
    const all = Array.from({ length: 6 }, () => passwords.hash('one of six'));
    const results = await Promise.allSettled(all);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    expect(results[5]).toMatchObject({ reason: { status: 503, code: 'login-busy' } });
  });
});

describe('admission', () => {
  it('never exceeds maxConcurrent, and frees the slot of a failed call', async () => {
    const admission = createAdmission({ maxConcurrent: 2, maxWaiting: 50, maxWaitMs: 1_000 });
    let busy = 0;
    let peak = 0;
    const work = async () => {
      busy += 1;
      peak = Math.max(peak, busy);
      await new Promise((resolve) => setImmediate(resolve));
      busy -= 1;
      throw new Error('work failed');
    };
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => admission.run(work)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    expect(peak).toBe(2);
    expect(await admission.run(async () => 'after')).toBe('after');
  });

  it('gives up after maxWaitMs', async () => {
    const admission = createAdmission({ maxConcurrent: 1, maxWaiting: 5, maxWaitMs: 5 });
    let release = (_: string) => {};
    const running = admission.run(() => new Promise<string>((resolve) => (release = resolve)));
    expect(await admission.run(async () => 'never')).toBeUndefined();
    release('done');
    expect(await running).toBe('done');
  });
});
