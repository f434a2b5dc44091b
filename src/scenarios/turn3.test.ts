import { describe, expect, it } from 'vitest';
import type { HistoryRecord } from '../sim/history.ts';
import { effectOf, operation } from '../sim/pure/fixtures.ts';
import type { Drill } from '../sim/scenario.ts';
import { auditOnce } from './audit-invariants.ts';
import { defineScenario } from './define.ts';
import { turn3 } from './turn3.ts';

const faultsOf = ({ phases }: Drill) => phases.flatMap(({ faults = [] }) => faults);
const names = (drill: Drill) => faultsOf(drill).map(({ name }) => name);

describe('turn 3', () => {
  it('kills more than 200 times, of every kind, under names that the seed does not change', () => {
    const [full, other] = [turn3.drill(false, 1), turn3.drill(false, 2)];
    expect(names(full).length).toBeGreaterThanOrEqual(200);
    expect(new Set(names(full)).size).toBe(names(full).length);
    expect(names(other).sort()).toEqual(names(full).sort());
    expect(faultsOf(other)).not.toEqual(faultsOf(full));
    expect(faultsOf(turn3.drill(false, 1))).toEqual(faultsOf(full));
    const families = new Set(names(turn3.drill(true, 1)).map((name) => name.split('#')[0]));
    expect([...families].sort()).toEqual([
      ...['backend-kill', 'gateway-kill', 'gateway-term', 'postgres-kill', 'redis-kill'],
    ]);
  });

  it('kills Redis often enough for the sample to lose something in a quick run', () => {
    const quick = turn3.drill(true, 1);
    const kills = faultsOf(quick).filter(
      ({ fault }) => 'target' in fault && fault.target === 'redis',
    );
    const baseline = quick.phases.find(({ role }) => role === 'baseline')!;
    const rate = baseline.workload.operations.reduce((sum, { weight }) => sum + weight, 0);
    const processes = turn3.arms().sample!.testbed.instances!;
    // As the queue has it: every process looks every 50 ms. Nothing stands there if one has looked since the answer, which
    // was 3 ms ago, and no event came after that.
    const [everyMs, answeredMs, stepMs] = [50, 3, 0.01];
    let nothing = 0;
    for (let ms = 0; ms < answeredMs; ms += stepMs) {
      const looked = (processes / everyMs) * (1 - ms / everyMs) ** (processes - 1);
      nothing += looked * Math.exp((-rate * ms) / 1_000) * stepMs;
    }
    expect(nothing).toBeLessThan(0.19);
    expect(nothing ** kills.length).toBeLessThan(1 / 100_000);
  });

  it('says what --quick reduces, and keeps phases, SLOs and faults in step', () => {
    const [full, quick] = [turn3.drill(false), turn3.drill(true)];
    expect(full.note).toBe('');
    expect(quick.note).toContain(
      `kills ${names(quick).length} times instead of ${names(full).length}`,
    );
    const phases = (drill: Drill) => drill.phases.map(({ name }) => name);
    expect(phases(quick)).toEqual(phases(full));
    for (const { phases: judged = [] } of turn3.slos)
      for (const name of judged) expect(phases(full)).toContain(name);
  });

  it('compares with an arm that it has, and with nothing else at once', () => {
    const added = turn3.slos.find(({ id }) => id === 'added')!;
    const { before: _, ...arms } = turn3.arms();
    const without = { ...turn3, arms: () => arms };
    expect(() => defineScenario(without)).toThrow('added compares with before, which is no arm');
    const twice = { ...turn3, slos: [...turn3.slos, { ...added, id: 'b', baseline: 'baseline' }] };
    expect(() => defineScenario(twice)).toThrow('b compares with before and with baseline');
  });

  it('gives the arms the same rows, people and load', () => {
    const { before, sample, after } = turn3.arms();
    const params = (arm: typeof before) => ({
      ...arm!.testbed.postgres.template[0]!.params,
      design: '',
    });
    expect(params(sample)).toEqual(params(before));
    expect(params(after)).toEqual(params(before));
    expect(sample!.testbed.postgres).toEqual(before!.testbed.postgres);
    expect([before!.mustFail, sample!.mustFail, after!.mustFail]).toEqual([
      ...[['audit-once'], ['audit-once'], []],
    ]);
  });
});

describe('audit-once', () => {
  it('knows what each operation is called in the log', () => {
    const check = operation(1, { name: 'check' });
    const row = (action: string): HistoryRecord =>
      effectOf(check, { facts: { action, outcome: 'success' } });
    const { check: judge } = auditOnce({ actions: { check: 'session.read' } });
    expect(judge([check, row('session.read')]).verdict).toBe('pass');
    expect(judge([check, row('project.read')]).verdict).toBe('fail');
    expect(judge([check]).verdict).toBe('fail');
  });
});
