import { describe, expect, it } from 'vitest';
import { findDesign } from '../services/lineage.ts';
import { effectOf, operation } from '../sim/pure/fixtures.ts';
import type { Arm } from '../sim/scenario.ts';
import { activityCorrect, microsOf } from './audit-invariants.ts';
import { defineScenario } from './define.ts';
import { turn4 } from './turn4.ts';

describe('turn4', () => {
  it('declares the documented figures and their bands of a factor of two', () => {
    const [cpu, mean, p99] = turn4.scale(false).documented;
    expect(cpu).toMatchObject({ value: 92, low: 87, high: 97 });
    expect(mean).toMatchObject({ value: 850_000, low: 425_000, high: 1_700_000 });
    expect(p99).toMatchObject({ value: 4_200_000, low: 2_100_000, high: 8_400_000 });
  });

  it('scales every time of the incident by the same factor under --quick, and says so', () => {
    const [full, quick] = [turn4.scale(false), turn4.scale(true)];
    const factor = full.users.think.meanMs / quick.users.think.meanMs;
    // Times are whole milliseconds, so a thousandth may be lost to rounding.
    expect(factor).toBeCloseTo(3, 2);
    const pair = (id: string) =>
      [full, quick].map(({ documented }) => documented.find((figure) => figure.id === id)!.value);
    for (const id of ['mean', 'p99']) expect(pair(id)[0]! / pair(id)[1]!).toBeCloseTo(3, 2);
    expect(full.note).toBe('');
    expect(quick.note).toContain('divides every time of the incident by 3');
  });

  it('gives both arms the same rows, users and load', () => {
    const { before, after } = turn4.arms({ quick: false, seed: 1 });
    const paramsOf = (arm: Arm | undefined) => ({
      ...arm!.testbed.postgres.template[0]!.params,
      design: '',
    });
    expect(paramsOf(before)).toEqual(paramsOf(after));
    expect(before!.testbed.accounts).toEqual(after!.testbed.accounts);
  });

  it('has the whole chain verified in both arms: history and run', () => {
    const arms = Object.values(turn4.arms({ quick: false, seed: 1 }));
    for (const arm of arms) expect(findDesign(arm.design).audit.chain.kind).toBe('sharded');
    expect(turn4.invariants.map(({ id }) => id)).toContain('audit-chain');
    const rows = Number(arms[0]!.testbed.postgres.template[0]!.params!.rows);
    expect(Number(turn4.effects.params!.verifyUpTo)).toBeGreaterThan(1.5 * rows);
  });
});

describe('defineScenario', () => {
  it('refuses what could only fail later', () => {
    expect(() => defineScenario({ ...turn4, id: 'Turn 4' })).toThrow(/lower-case/);
    expect(() => defineScenario({ ...turn4, operations: [] })).toThrow(/no operations/);
    const typo = [{ id: 'p99', objective: 'latency.p99 < 500' }];
    expect(() => defineScenario({ ...turn4, slos: typo })).toThrow(/not understood/);
    expect(() => defineScenario({ ...turn4, slos: [] })).toThrow(/may fail "mean"/);
    expect(() => defineScenario({ ...turn4, slos: [...turn4.slos, turn4.slos[0]!] })).toThrow(
      /twice/,
    );
  });
});

describe('activityCorrect', () => {
  const { check } = activityCorrect({ operation: 'recent activity', stalenessMs: 2_000 });
  const action = operation(1);
  const row = effectOf(action);
  const page = (items: unknown) =>
    operation(2, {
      ...{ name: 'recent activity', scheduledUs: 9e6, sentUs: 9e6, doneUs: 9e6 + 900 },
      body: JSON.stringify({ items }),
    });
  const item = {
    ...{ id: row.id, userId: 'u1', requestId: 'r1' },
    occurredAt: new Date(row.occurredAtUs / 1_000).toISOString().replace('Z', '110Z'),
  };

  it('reads a page as the platform answers it', () => {
    expect(microsOf(item.occurredAt)).toBe(row.occurredAtUs);
    expect(check([action, row, page([item])]).verdict).toBe('pass');
  });

  it('takes a body that is no page for a violation', () => {
    expect(check([action, row, operation(3, { name: 'recent activity' })]).verdict).toBe('fail');
    expect(check([action, row, page('nothing')]).verdict).toBe('fail');
    expect(check([action, row, page([])]).verdict).toBe('fail');
  });
});
