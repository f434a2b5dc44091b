// Turns 2 and 5 in one command, as in the README and CI.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArmResult, Result } from '../sim/result.ts';
import { runCommand } from './fixtures/command.ts';
import { runUntilProven } from './fixtures/proven-runs.ts';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'platform-limits-test-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const figure = (arm: ArmResult, id: string) =>
  arm.invariants.flatMap(({ figures = [] }) => figures).find((one) => one.id === id)?.value;

describe('sim turn2 turn5 --quick', () => {
  it('shows limits failing before, and holding after', async (context) => {
    const ran = await runUntilProven(context, ['turn2', 'turn5'], { exitCode: 0 }, { cwd });
    const [turn2, turn5] = ran as [Result, Result];
    expect([turn2.scenario, turn5.scenario]).toEqual(['turn2', 'turn5']);
    expect(turn2.failed).toEqual([]);
    expect(figure(turn2.arms.sample!, 'worst-window')).toBeGreaterThan(1.5);
    expect(figure(turn2.arms.after!, 'worst-window')).toBe(1);
    const { rows, chart } = turn2.comparison!;
    expect(rows).toHaveLength(6);
    const ours = rows.find((row) => row.ours)!;
    expect(ours.values[chart.column]).toBe(chart.limit);
    expect(turn5.failed).toEqual([]);
    expect(figure(turn5.arms.after!, 'jain')).toBeGreaterThan(0.95);
    const stolen = (arm: ArmResult) => figure(arm, 'stolen-admitted')!;
    expect(stolen(turn5.arms.sample!)).toBeGreaterThan(5 * stolen(turn5.arms.after!));
    for (const scenario of ['turn2', 'turn5'])
      expect(await runCommand(['verify', scenario], { cwd })).toMatchObject({ code: 0 });
  });
});
