import { describe, expect, it } from 'vitest';
import { findDesign } from '../services/lineage.ts';
import { type Load, needsOwnCore } from '../sim/load-kinds.ts';
import type { CalibratedUsers } from '../sim/loads/population.ts';
import { armOf } from '../sim/plan/plan.ts';
import { resolve } from '../sim/plan/resolve.ts';
import { factOf, operation } from '../sim/pure/fixtures/records.ts';
import type { Arm, Declaration, DeclareOptions, Scenario } from '../sim/scenario.ts';
import { defineScenario } from './define.ts';
import { viewOf } from './fixtures/platform-parts.ts';
import { scenarios } from './index.ts';
import { activityCorrect, parseMicros } from './invariants/audit-invariants.ts';
import { turn4 } from './turn4.ts';

const [full, quick] = [false, true].map((isQuick) => resolve(turn4, { quick: isQuick, seed: 1 }));
const before = armOf(full!, 'before');
const after = armOf(full!, 'after');

/** turn4 with another declaration. */
const changed = (change: (declared: Declaration) => Partial<Declaration>): Scenario => ({
  ...turn4,
  declare: (options: DeclareOptions) => {
    const declared = turn4.declare(options);
    return { ...declared, ...change(declared) };
  },
});

/** The users of the phase `measure`. */
function usersOf({ phases }: Pick<Arm, 'phases'>): CalibratedUsers {
  const { load } = phases.find(({ name }) => name === 'measure')!;
  if (!('users' in load) || typeof load.users !== 'object') throw new Error('no population');
  return load.users as CalibratedUsers;
}

describe('turn4', () => {
  it('declares the documented figures and their bands of a factor of two', () => {
    const [cpu, mean, p99] = before.documented;
    expect(cpu).toMatchObject({ value: 92, low: 87, high: 97 });
    expect(mean).toMatchObject({ value: 850_000, low: 425_000, high: 1_700_000 });
    expect(p99).toMatchObject({ value: 4_200_000, low: 2_100_000, high: 8_400_000 });
  });

  it('scales every time of the incident by the same factor under --quick, and says so', () => {
    const arms = [before, armOf(quick!, 'before')];
    const [fullMs, quickMs] = arms.map((arm) => usersOf(arm).think.meanMs);
    const factor = fullMs! / quickMs!;
    // Times are rounded to whole milliseconds.
    expect(factor).toBeCloseTo(3, 2);
    const pair = (id: string) =>
      arms.map(({ documented }) => documented.find((figure) => figure.id === id)!.value);
    for (const id of ['mean', 'p99']) expect(pair(id)[0]! / pair(id)[1]!).toBeCloseTo(3, 2);
    expect(full!.scaleNote).toBe('');
    expect(quick!.scaleNote).toContain('divides every time of the incident by 3');
  });

  it('gives both arms the same rows, users and load', () => {
    const paramsOf = (arm: Arm) => ({
      ...viewOf(arm).template.params,
      design: '',
    });
    expect(paramsOf(before)).toEqual(paramsOf(after));
    expect(viewOf(before).accounts.params).toEqual({
      ...viewOf(after).accounts.params,
      design: 'turn4.before',
    });
    expect(usersOf(after)).toEqual(usersOf(before));
    expect(after.phases[0]!.load).toMatchObject({ kind: 'same-users', of: 'before' });
  });

  it('verifies the whole chain in both arms: history and run', () => {
    for (const arm of full!.arms) expect(findDesign(arm.design).audit.chain.kind).toBe('sharded');
    expect(full!.invariants.map(({ id }) => id)).toContain('audit-chain');
    const rows = Number(viewOf(before).template.params!.rows);
    expect(Number(viewOf(before).facts.params!.verifyUpTo)).toBeGreaterThan(1.5 * rows);
  });
});

describe('defineScenario', () => {
  it('refuses invalid declarations', () => {
    expect(() => defineScenario({ ...turn4, id: 'Turn 4' })).toThrow(/lower-case/);
    const silent = changed(({ arms: { before: failing, after: holding } }) => ({
      arms: {
        before: { ...failing!, phases: withoutOperations(failing!) },
        after: { ...holding!, phases: withoutOperations(holding!) },
      },
    }));
    expect(() => defineScenario(silent)).toThrow(/no operations/);
    const typo = [{ id: 'p99', objective: 'latency.p99 < 500' }];
    expect(() => defineScenario(changed(() => ({ slos: typo })))).toThrow(/not understood/);
    expect(() => defineScenario(changed(() => ({ slos: [] })))).toThrow(/may fail "mean"/);
    const twice = changed(({ slos }) => ({ slos: [...slos, slos[0]!] }));
    expect(() => defineScenario(twice)).toThrow(/twice/);
  });
});

function withoutOperations({ phases }: Arm): Arm['phases'] {
  return phases.map((phase) => ({ ...phase, load: { ...phase.load, operations: [] } as Load }));
}

describe('activityCorrect', () => {
  const { check } = activityCorrect({ operation: 'recent activity', stalenessMs: 2_000 });
  const action = operation(1);
  const row = factOf(action);
  const page = (items: unknown) =>
    operation(2, {
      name: 'recent activity',
      scheduledUs: 9e6,
      sentUs: 9e6,
      doneUs: 9e6 + 900,
      body: JSON.stringify({ items }),
    });
  const item = {
    id: row.id,
    userId: 'u1',
    requestId: 'r1',
    occurredAt: new Date(row.occurredAtUs / 1_000).toISOString().replace('Z', '110Z'),
  };

  it('reads a page as the platform answers it', () => {
    expect(parseMicros(item.occurredAt)).toBe(row.occurredAtUs);
    expect(check([action, row, page([item])]).verdict).toBe('pass');
  });

  it('reports a body that is not an activity page as a violation', () => {
    expect(check([action, row, operation(3, { name: 'recent activity' })]).verdict).toBe('fail');
    expect(check([action, row, page('nothing')]).verdict).toBe('fail');
    expect(check([action, row, page([])]).verdict).toBe('fail');
  });
});

it('is the only turn with a CPU-controlled load, and so the only one that pins PostgreSQL to a core', () => {
  const pinning = scenarios.filter((scenario) =>
    needsOwnCore(resolve(scenario, { quick: true, seed: 1 }).arms.flatMap(({ phases }) => phases)),
  );
  expect(pinning.map(({ id }) => id)).toEqual(['turn4']);
  expect(needsOwnCore(after.phases)).toBe(true);
});
