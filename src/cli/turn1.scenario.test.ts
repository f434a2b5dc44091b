// Turn 1 through the command, as in the README; its files are verified, also after damage.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArmResult } from '../sim/result.ts';
import { runCommand } from './fixtures/command.ts';
import { runUntilProven } from './fixtures/proven-runs.ts';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'platform-turn1-test-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const figure = (arm: ArmResult, id: string) =>
  arm.invariants.flatMap(({ figures = [] }) => figures).find((one) => one.id === id)?.value;

describe('sim turn1 --quick', () => {
  it('shows sessions failing in before and sample, and holding in after', async (context) => {
    const [result] = await runUntilProven(context, ['turn1'], { exitCode: 0 }, { cwd });
    expect(result!.sentence).toMatch(/^turn1 pass/);
    expect(result!.failed).toEqual([]);
    const { before, sample, after } = result!.arms;
    expect(figure(sample!, 'accepted-late')).toBeGreaterThan(0);
    expect(figure(sample!, 'revocation-lag')).toBeGreaterThan(0);
    expect(figure(sample!, 'sessions-lost')).toBeGreaterThan(0);
    expect(before!.costs.find(({ id }) => id === 'statements')!.value).toBeGreaterThan(1.5);
    expect(figure(after!, 'accepted-late')).toBe(0);
    expect(figure(after!, 'sessions-lost')).toBe(0);
    for (const arm of [before!, sample!, after!]) {
      expect(arm.faults.map(({ outcome }) => outcome)).toEqual(new Array(4).fill('healed'));
      expect(arm.recovery).toHaveLength(4);
    }
  });

  it('leaves evidence that can be verified, and in which one flipped byte is found', async () => {
    expect(await runCommand(['verify', 'turn1'], { cwd })).toMatchObject({ code: 0 });
    const file = join(cwd, 'reports', 'turn1', 'latest', 'history.ndjson.gz');
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(file, bytes);
    const damaged = await runCommand(['verify', 'turn1'], { cwd });
    expect(damaged.code).toBe(97);
    expect(damaged.stderr).toContain('history.ndjson.gz');
  });
});
