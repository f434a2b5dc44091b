// Runs that end without a verdict: signals, kill -9, a machine that is not ready. Nothing may remain in the cache, which
// belongs to this file, so that other runs may go on beside it.
import { describe, expect, it } from 'vitest';
import { createTestCache } from './fixtures/own-cache.ts';

const SIM = ['sim', 'turn4', '--quick'];
const { platform, expectNoRemains } = createTestCache('ends');

describe('a run that is ended', () => {
  // Three runs at once: the end of one must not disturb the others.
  it('exits with the code of its signal while the testbed starts, settles and measures', async () => {
    const ended = [
      [/before\s+start/, 'SIGINT', 130],
      [/before\s+settle/, 'SIGINT', 130],
      [/before\s+measure/, 'SIGTERM', 143],
    ] as const;
    await Promise.all(
      ended.map(async ([phase, signal, code]) => {
        let sent = false;
        const ran = await platform(SIM, {
          onStderr: (text, kill) => {
            if (sent || !phase.test(text)) return;
            sent = true;
            kill(signal);
          },
        });
        expect([ran.code, phase.test(ran.stderr)]).toEqual([code, true]);
        expect(ran.stderr).toContain('stopping; press Ctrl-C again');
        expect(ran.stderr).not.toContain('bug');
      }),
    );
  });

  it('leaves nothing behind when it is killed with -9 at its start, in probe and in measure', async () => {
    const phases = [/before\s+start/, /before\s+probe/, /before\s+measure/];
    const ran = await Promise.all(
      phases.map((phase) =>
        platform(SIM, {
          onStderr: (text, kill) => {
            if (phase.test(text)) setTimeout(() => kill('SIGKILL'), 500);
          },
        }),
      ),
    );
    // Killed by the signal, not exited.
    expect(ran.map(({ code }) => code)).toEqual([null, null, null]);
    await expectNoRemains();
    expect((await platform(['doctor', '--clean'])).code).toBe(0);
  });
});

describe('a machine that is not ready', () => {
  const refused = async (env: NodeJS.ProcessEnv) => {
    const { code, stdout, stderr } = await platform([...SIM, '--quiet'], { env });
    const lines = stderr.trimEnd().split('\n');
    expect([code, stdout, lines.length]).toEqual([3, '', 3]);
    expect(lines[2]).toMatch(/^next: /);
    return stderr;
  };

  it('says so in three lines without Redis', async () => {
    expect(await refused({ PATH: '/nonexistent' })).toMatch(/redis/i);
  });

  it('says so in three lines when DATABASE_URL cannot be reached, without the password', async () => {
    const DATABASE_URL = 'postgres://me:secret@127.0.0.1:1/db';
    const stderr = await refused({ DATABASE_URL });
    expect(stderr).toContain('127.0.0.1:1');
    expect(stderr).not.toContain('secret');
  });

  it('says so in three lines when REDIS_URL cannot be reached', async () => {
    expect(await refused({ REDIS_URL: 'redis://127.0.0.1:1' })).toContain('127.0.0.1:1');
  });

  it('says so in three lines when the reports folder cannot be written', async () => {
    const { code, stderr } = await platform([...SIM, '--quiet', '--out', '/dev/null/reports']);
    expect([code, stderr.trimEnd().split('\n').length]).toEqual([3, 3]);
  });
});
