import { describe, expect, it } from 'vitest';
import type { HistoryRecord } from '../sim/history.ts';
import { operationsOf } from '../sim/load-kinds.ts';
import { armOf, type Plan } from '../sim/plan/plan.ts';
import { resolve } from '../sim/plan/resolve.ts';
import { factOf, operation } from '../sim/pure/fixtures/records.ts';
import type { Declaration, DeclareOptions } from '../sim/scenario.ts';
import { defineScenario } from './define.ts';
import { viewOf } from './fixtures/platform-parts.ts';
import { auditOnce } from './invariants/audit-invariants.ts';
import { turn3 } from './turn3.ts';

const planOf = (quick: boolean, seed = 1) => resolve(turn3, { quick, seed });
const phasesOf = (plan: Plan) => armOf(plan, 'after').phases;
const faultsOf = (plan: Plan) => phasesOf(plan).flatMap(({ faults = [] }) => faults);
const names = (plan: Plan) => faultsOf(plan).map(({ name }) => name);
/** turn3 with another declaration. */
const changed = (change: (declared: Declaration) => Partial<Declaration>) => ({
  ...turn3,
  declare: (options: DeclareOptions) => {
    const declared = turn3.declare(options);
    return { ...declared, ...change(declared) };
  },
});

describe('turn 3', () => {
  it('kills more than 200 times, of every kind, under names that the seed does not change', () => {
    const [full, other] = [planOf(false, 1), planOf(false, 2)];
    expect(names(full).length).toBeGreaterThanOrEqual(200);
    expect(new Set(names(full)).size).toBe(names(full).length);
    expect(names(other).sort()).toEqual(names(full).sort());
    expect(faultsOf(other)).not.toEqual(faultsOf(full));
    expect(faultsOf(planOf(false, 1))).toEqual(faultsOf(full));
    const families = new Set(names(planOf(true, 1)).map((name) => name.split('#')[0]));
    expect([...families].sort()).toEqual([
      'backend-kill',
      'gateway-kill',
      'gateway-term',
      'postgres-kill',
      'redis-kill',
    ]);
  });

  it('kills Redis often enough for the sample to lose something in a quick run', () => {
    const quick = planOf(true, 1);
    const kills = faultsOf(quick).filter(
      ({ fault }) => 'target' in fault && fault.target === 'redis',
    );
    const baseline = phasesOf(quick).find(({ role }) => role === 'baseline')!;
    const rate = operationsOf([baseline]).reduce((sum, { weight }) => sum + weight, 0);
    const processes = viewOf(armOf(quick, 'sample')).gateway.instances!;
    // Every process polls the queue every 50 ms. The queue is empty if one polled since the answer, 3 ms ago, and no
    // event came after that.
    const [pollMs, answeredMs, stepMs] = [50, 3, 0.01];
    let emptyProbability = 0;
    for (let ms = 0; ms < answeredMs; ms += stepMs) {
      const polledDensity = (processes / pollMs) * (1 - ms / pollMs) ** (processes - 1);
      emptyProbability += polledDensity * Math.exp((-rate * ms) / 1_000) * stepMs;
    }
    expect(emptyProbability).toBeLessThan(0.19);
    expect(emptyProbability ** kills.length).toBeLessThan(1 / 100_000);
  });

  it('says what --quick reduces, and keeps phases, SLOs and faults in step', () => {
    const [full, quick] = [planOf(false), planOf(true)];
    expect(full.scaleNote).toBe('');
    expect(quick.scaleNote).toContain(
      `kills ${names(quick).length} times instead of ${names(full).length}`,
    );
    const phases = (plan: Plan) => phasesOf(plan).map(({ name }) => name);
    expect(phases(quick)).toEqual(phases(full));
    for (const { phases: judged = [] } of full.slos)
      for (const name of judged) expect(phases(full)).toContain(name);
  });

  it('refuses an SLO that compares with an unknown arm, or with two things at once', () => {
    const without = changed(({ arms: { before: _, ...arms } }) => ({ arms }));
    expect(() => defineScenario(without)).toThrow('added compares with before, which is no arm');
    const twice = changed(({ slos }) => {
      const added = slos.find(({ id }) => id === 'added')!;
      return { slos: [...slos, { ...added, id: 'b', baseline: 'baseline' }] };
    });
    expect(() => defineScenario(twice)).toThrow('b compares with before and with baseline');
  });

  it('gives the arms the same rows, users and load', () => {
    const { before, sample, after } = turn3.declare({ quick: false, seed: 1 }).arms;
    const params = (arm: typeof before) => ({
      ...viewOf(arm!).template.params,
      design: '',
    });
    expect(params(sample)).toEqual(params(before));
    expect(params(after)).toEqual(params(before));
    expect(viewOf(sample!).postgres).toEqual(viewOf(before!).postgres);
    expect([before!.mustFail, sample!.mustFail, after!.mustFail]).toEqual([
      ['audit-once'],
      ['audit-once'],
      [],
    ]);
  });
});

describe('audit-once', () => {
  it('maps each operation to its logged action', () => {
    const check = operation(1, { name: 'check' });
    const row = (action: string): HistoryRecord =>
      factOf(check, { facts: { action, outcome: 'success' } });
    const { check: judge } = auditOnce({ actions: { check: 'session.read' } });
    expect(judge([check, row('session.read')]).verdict).toBe('pass');
    expect(judge([check, row('project.read')]).verdict).toBe('fail');
    expect(judge([check]).verdict).toBe('fail');
  });
});
