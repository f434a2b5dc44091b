import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { turn4Result } from '../../report/fixtures/turn4-result.ts';
import { renderJson } from '../../report/json.ts';
import { auditOnce as auditOnceOf } from '../../scenarios/audit-invariants.ts';
import { scenarios } from '../../scenarios/index.ts';
import { writeManifest } from '../../sim/effects/evidence.ts';
import { HistoryFile } from '../../sim/effects/history-file.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import type { ArmName, Result } from '../../sim/result.ts';
import type { Scenario } from '../../sim/scenario.ts';
import { captureIo } from '../fixtures/captured-io.ts';
import { runCli } from '../run-cli.ts';

const auditOnce = auditOnceOf();
const turn4 = scenarios.find(({ id }) => id === 'turn4')!;
const scenario: Scenario = {
  ...turn4,
  declare: (options) => ({ ...turn4.declare(options), invariants: [auditOnce] }),
};
const operations = Array.from({ length: 40 }, (_, id) => operation(id));
const effects = operations.map((cause) => factOf(cause));
const histories: Record<string, readonly HistoryRecord[]> = {
  before: [...operations, ...effects.slice(3)],
  after: [...operations, ...effects],
};

let folder = '';
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'platform-verify-'));
  await writeRun(folder, (result) => result);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A run's folder as `sim` leaves it: what the checkers find in its history is in its result, unless edited. */
async function writeRun(target: string, edit: (result: Result) => Result): Promise<void> {
  mkdirSync(path.join(target, 'logs', 'before'), { recursive: true });
  const history = new HistoryFile(path.join(target, 'history.ndjson.gz'));
  const arms = { ...turn4Result.arms };
  for (const [arm, records] of Object.entries(histories)) {
    const originAt = '2026-01-01T00:00:00.000Z';
    await history.append([{ kind: 'arm', arm, design: `turn4.${arm}`, seed: 1, originAt }]);
    await history.append(records);
    const { id, statement } = auditOnce;
    const invariants = [{ id, statement, ...auditOnce.check(records) }];
    arms[arm as ArmName] = { ...arms[arm as ArmName]!, invariants };
  }
  await history.close();
  writeFileSync(path.join(target, 'result.json'), renderJson(edit({ ...turn4Result, arms })));
  writeFileSync(path.join(target, 'report.md'), '# turn4\n');
  writeFileSync(path.join(target, 'logs', 'before', 'gateway.log'), 'listening\n');
  await writeManifest(target);
}

async function platform(...argv: string[]) {
  const io = captureIo({});
  const hooks = { on: () => hooks, off: () => hooks, exit: () => undefined } as never;
  const runScenario = () => Promise.reject(new Error('verify must not run anything'));
  const code = await runCli(argv, { scenarios: [scenario], runScenario, io, process: hooks });
  await new Promise((resolve) => setImmediate(resolve));
  return { code, stdout: io.out(), lines: io.errors().trimEnd().split('\n') };
}
const verify = (...flags: string[]) => platform('verify', folder, ...flags);

describe('platform verify', () => {
  it('accepts an unchanged run, also one with a recorded violation', async () => {
    const { code, stdout } = await verify();
    expect(code).toBe(0);
    expect(stdout).toContain('4 files match manifest.json');
    expect(stdout).toContain('before.invariant.audit-once: fail (3 violations in 40)');
    expect(stdout).toContain('after.invariant.audit-once: pass (0 violations in 40)');
  });

  it('fails for one flipped byte in any file, and names the file', async () => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    expect(files).toHaveLength(5);
    for (const entry of files) {
      const file = path.join(entry.parentPath, entry.name);
      const bytes = readFileSync(file);
      const flipped = Buffer.from(bytes);
      flipped[bytes.length >> 1]! ^= 1;
      writeFileSync(file, flipped);
      const { code, lines } = await verify();
      expect([code, lines.length]).toEqual([97, 3]);
      expect(lines[0]).toMatch(/was changed after the run$/);
      expect(lines[1]).toMatch(new RegExp(`^${path.relative(folder, file)} (changed|not a)`));
      expect(lines[2]).toMatch(/^next: ./);
      writeFileSync(file, bytes);
    }
    expect((await verify()).code).toBe(0);
  });

  it('prints one JSON document, for an unchanged and a changed run', async () => {
    const whole = JSON.parse((await verify('--json')).stdout) as { ok: boolean; checkers: [] };
    expect([whole.ok, whole.checkers.length]).toEqual([true, 2]);
    writeFileSync(path.join(folder, 'logs', 'stray.log'), '');
    const { code, stdout } = await verify('--json');
    expect(code).toBe(97);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: [{ path: 'logs/stray.log', problem: 'not in the manifest' }],
    });
  });

  it('exits 98 when the checkers do not find what result.json says, though every file matches', async () => {
    await writeRun(folder, (result) => ({
      ...result,
      arms: {
        ...result.arms,
        before: {
          ...result.arms.before!,
          invariants: [{ ...result.arms.before!.invariants[0]!, verdict: 'pass', violations: 0 }],
        },
      },
    }));
    const { code, lines } = await verify();
    expect([code, lines.length]).toEqual([98, 3]);
    expect(lines[1]).toBe(
      'before.invariant.audit-once is fail (3 violations in 40), recorded as pass (0 violations in 40)',
    );
  });

  it('exits 98 when the history of a judged arm is not there', async () => {
    const history = new HistoryFile(path.join(folder, 'history.ndjson.gz'));
    await history.close();
    await writeManifest(folder);
    expect((await verify()).lines[1]).toContain('is absent, recorded as pass');
  });

  it('refuses a folder without a manifest, and a run that is not there', async () => {
    rmSync(path.join(folder, 'manifest.json'));
    const { code, lines } = await verify();
    expect([code, lines.length]).toEqual([97, 3]);
    expect(lines[1]).toContain('no manifest.json');
    const nowhere = await platform('verify', path.join(folder, 'nowhere'));
    expect([nowhere.code, nowhere.lines.length]).toEqual([2, 3]);
  });

  it('requires --scenario for a scenario that is not built in', async () => {
    await writeRun(folder, (result) => ({ ...result, scenario: 'mine' }));
    const { code, lines } = await verify();
    expect([code, lines.length]).toEqual([2, 3]);
    expect(lines[2]).toContain('--scenario');
  });

  it('still matches after reports are rebuilt, and still fails if it failed before', async () => {
    expect((await platform('report', folder, '--format', 'md,junit')).code).toBe(0);
    expect((await verify()).code).toBe(0);
    writeFileSync(path.join(folder, 'logs', 'before', 'gateway.log'), 'edited!!!\n');
    await platform('report', folder, '--format', 'md');
    expect((await verify()).code).toBe(97);
  });
});
