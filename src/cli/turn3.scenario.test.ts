// Turn 3 through the command, as in the README; its files are verified.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArmResult } from '../sim/result.ts';
import { runCommand } from './fixtures/command.ts';
import { runUntilProven } from './fixtures/proven-runs.ts';

const KILLS = 17;
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'platform-turn3-test-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const figure = (arm: ArmResult, id: string) =>
  arm.invariants.flatMap(({ figures = [] }) => figures).find((one) => one.id === id)?.value;

describe('sim turn3 --quick', () => {
  it('shows events lost in before and sample, and none in after', async (context) => {
    const [result] = await runUntilProven(context, ['turn3'], { exitCode: 0 }, { cwd });
    expect(result!.sentence).toMatch(/^turn3 pass/);
    expect(result!.failed).toEqual([]);
    const { before, sample, after } = result!.arms;
    expect(figure(before!, 'audit-lost')).toBeGreaterThan(0);
    expect(figure(sample!, 'audit-lost')).toBeGreaterThan(0);
    for (const id of ['audit-lost', 'audit-phantom', 'audit-duplicate', 'audit-misattributed'])
      expect(figure(after!, id), id).toBe(0);
    expect(figure(after!, 'checkpoints')).toBeGreaterThan(0);
    for (const arm of [before!, sample!, after!])
      expect(arm.faults.map(({ outcome }) => outcome)).toEqual(new Array(KILLS).fill('healed'));
  });

  it('leaves evidence that can be verified', async () => {
    expect(await runCommand(['verify', 'turn3'], { cwd })).toMatchObject({ code: 0 });
  });
});
