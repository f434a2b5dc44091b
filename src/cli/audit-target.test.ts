import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTimeOf } from '../sim/effects/process/process-table.ts';
import { publishTarget, resolveAuditTarget } from './audit-target.ts';

let cache = '';
beforeEach(() => {
  cache = mkdtempSync(path.join(tmpdir(), 'audit-target-'));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

const served = { databaseUrl: 'postgresql://u@127.0.0.1:5555/platform', stateDirectory: '/state' };

/** A `platform serve` that runs, or one that was killed. */
async function serve(runId: string, isAlive: boolean): Promise<string> {
  const folder = path.join(cache, 'runs', runId);
  mkdirSync(folder, { recursive: true });
  const owner = { pid: process.pid, startTime: isAlive ? startTimeOf(process.pid) : 1 };
  const lease = { schema: 'platform-sim/lease@1', runId, host: hostname(), owner };
  writeFileSync(path.join(folder, 'lease.json'), JSON.stringify(lease));
  await publishTarget({ folder }, served);
  return folder;
}
const env = (more: Record<string, string> = {}) => ({ env: { PLATFORM_CACHE: cache, ...more } });

describe('the target of an audit command', () => {
  it('is the one the flags name, before DATABASE_URL, before a platform serve', async () => {
    await serve('serve-1', true);
    const [flag, variable] = ['postgresql://flag/one', 'postgres://variable/two'];
    const both = env({ DATABASE_URL: variable });
    expect(await resolveAuditTarget({ database: flag, state: '/kept' }, both)).toEqual({
      databaseUrl: flag,
      stateDirectory: '/kept',
    });
    expect(await resolveAuditTarget({}, both)).toEqual({
      databaseUrl: variable,
      stateDirectory: null,
    });
    expect(await resolveAuditTarget({}, env())).toEqual(served);
    expect(await resolveAuditTarget({ state: '/copy' }, env())).toMatchObject({
      stateDirectory: '/copy',
    });
  });

  it('is readable only by its user', async () => {
    const folder = await serve('serve-1', true);
    expect(statSync(path.join(folder, 'serve.json')).mode & 0o777).toBe(0o600);
  });

  it('is not that of a killed serve, or of a run', async () => {
    await serve('serve-1', false);
    await serve('turn4-1', true);
    await expect(resolveAuditTarget({}, env())).rejects.toMatchObject({
      exitCode: 2,
      why: expect.stringContaining('no platform serve'),
    });
  });

  it('must be named when two are running', async () => {
    await serve('serve-1', true);
    await serve('serve-2', true);
    await expect(resolveAuditTarget({}, env())).rejects.toMatchObject({
      exitCode: 2,
      next: expect.stringContaining('--state /state'),
    });
  });

  it.each(['', 'x', 'http://127.0.0.1/', '127.0.0.1:5432'])(
    'is no PostgreSQL: --database "%s"',
    async (database) => {
      await expect(resolveAuditTarget({ database }, env())).rejects.toMatchObject({ exitCode: 2 });
    },
  );
});
