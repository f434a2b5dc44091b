// Turn 4 through the command: the documented incident, and the defects that a verdict must find. Nothing may remain.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, type TestContext } from 'vitest';
import { createTestCache } from './fixtures/own-cache.ts';
import { runUntilProven } from './fixtures/proven-runs.ts';

const MODULE = fileURLToPath(new URL('fixtures/planted.mjs', import.meta.url));
const { options, platform } = createTestCache('sim');

describe('sim turn4 --quick', () => {
  it('reproduces the incident, finds its cause, and sees the fix hold', async (context) => {
    const [result] = await runUntilProven(context, ['turn4'], { exitCode: 0 }, options());
    expect(result!.sentence).toMatch(/^turn4 pass/);
    expect(result!.failed).toEqual([]);
    const { before, after } = result!.arms;
    for (const figure of before!.documented) expect(figure).toMatchObject({ verdict: 'pass' });
    expect(before!.diagnosis!.queries[0]).toMatchObject({ culprit: true });
    expect(before!.diagnosis!.plan).toMatchObject({ node: 'Seq Scan' });
    expect(before!.diagnosis!.ruledOut.map(({ cause }) => cause)).toContain('lock contention');
    for (const arm of [before!, after!]) {
      for (const invariant of arm.invariants) {
        expect(invariant).toMatchObject({ verdict: 'pass', violations: 0 });
        expect(invariant.checked).toBeGreaterThan(0);
      }
      expect(arm.outcomes.ok).toBe(arm.latency.count);
    }
    expect(after!.capacity!.holdsPerSecond).toBeGreaterThan(100);

    const folder = join(options().cwd, 'reports', 'turn4', 'latest');
    for (const file of ['report.html', 'report.md', 'junit.xml', 'history.ndjson.gz', 'logs']) {
      expect(existsSync(join(folder, file))).toBe(true);
    }
    const html = readFileSync(join(folder, 'report.html'));
    expect(html.length).toBeLessThan(500_000);
    rmSync(join(folder, 'report.html'));
    expect((await platform(['report', 'turn4'])).code).toBe(0);
    expect(readFileSync(join(folder, 'report.html')).equals(html)).toBe(true);
    // Calibration, diagnosis, capacity search: every figure again, from the history alone.
    expect((await platform(['verify', 'turn4'])).code).toBe(0);
  });
});

/** A shell full of variables that would change a server, a driver or a process of ours, if they reached it. */
const foreignShell = {
  PGSSLMODE: 'require',
  PGOPTIONS: '-c default_transaction_read_only=on -c statement_timeout=1',
  PGHOST: 'elsewhere.invalid',
  PGUSER: 'nobody',
  NODE_PG_FORCE_NATIVE: '1',
  NODE_ENV: 'development',
  UV_THREADPOOL_SIZE: '1',
  DEBUG: '*',
};

describe('a defect planted in after, in a foreign shell', () => {
  const planted = async (context: TestContext, exitCode: number, PLANTED: string) => {
    const own = options();
    const env = { ...own.env, ...foreignShell, PLANTED };
    const flags = ['--rate', '100/s', '--duration', '5s'];
    const [result] = await runUntilProven(context, [MODULE], { exitCode }, { ...own, env, flags });
    return result!;
  };

  it('exits 98 when one acknowledged action is missing from the audit log', async (context) => {
    const result = await planted(context, 98, 'lost-row');
    const { failed, arms } = result;
    expect(failed).toEqual(['after.invariant.audit-once']);
    const audit = arms.after!.invariants.find(({ id }) => id === 'audit-once');
    expect(audit).toMatchObject({ violations: 1 });
    expect(String(audit!.witness[0]!.violation)).toMatch(/^lost/);
    // With --rate and --duration the plan is another one; the history says so.
    const folder = join(options().cwd, 'reports', result.scenario, 'latest');
    const verified = await platform(['verify', folder, '--scenario', MODULE]);
    expect(verified.code).toBe(0);
  });

  it('exits 99 when the hot query is still there', async (context) => {
    const { failed } = await planted(context, 99, 'hot-query');
    expect(failed).toContain('after.slo.p99');
  });
});
