import { describe, expect, it } from 'vitest';
import { turn1 } from '../../scenarios/turn1.ts';
import { turn3 } from '../../scenarios/turn3.ts';
import { turn4 } from '../../scenarios/turn4.ts';
import { arm, open, phase, scenario } from '../fixtures/small-scenario.ts';
import { armOf } from './plan.ts';
import { resolve } from './resolve.ts';

const full = { quick: false, seed: 1 };

describe('resolve', () => {
  it('decides the objectives by the scale, and keeps nothing to ask again', () => {
    const slos = [{ id: 'p99', objective: 'latency.p99 < 1s', quickObjective: 'latency.p99 < 9s' }];
    const of = (quick: boolean) => resolve(scenario({ slos }), { quick, seed: 1 });
    expect(of(false).slos).toEqual([{ id: 'p99', objective: 'latency.p99 < 1s' }]);
    expect(of(true).slos).toEqual([{ id: 'p99', objective: 'latency.p99 < 9s' }]);
    expect([of(false).scale, of(true).scale]).toEqual(['full', 'quick']);
  });

  it('is the same for the same options, and draws from the seed alone', () => {
    const data = (seed: number) => JSON.stringify(resolve(turn3, { quick: true, seed }));
    expect(data(7)).toBe(data(7));
    expect(data(7)).not.toBe(data(8));
  });

  it('puts the arms in the order they run, whatever order they are asked for in', () => {
    const { arms } = resolve(turn1, { ...full, arms: ['after', 'before'] });
    expect(arms.map(({ name }) => name)).toEqual(['before', 'after']);
    expect(() => resolve(turn4, { ...full, arms: ['sample'] })).toThrow('no design "sample"');
  });

  it('leaves out what compares with an arm that does not run, and says so', () => {
    const { notes } = resolve(turn3, { ...full, arms: ['after'] });
    expect(notes).toEqual([
      'added is not judged: it compares with before, which is not part of this run',
    ]);
    expect(resolve(turn3, full).notes).toEqual([]);
  });

  it('swaps designs under names, expectations and loads that stay', () => {
    const [plain, swapped] = [false, true].map((swapArms) => resolve(turn4, { ...full, swapArms }));
    const [before, after] = ['before', 'after'] as const;
    expect(armOf(swapped!, before).design).toBe('turn4.after');
    expect(armOf(swapped!, after).topology).toEqual(armOf(plain!, before).topology);
    for (const name of [before, after]) {
      const { expected, mustFail, phases } = armOf(swapped!, name);
      expect({ expected, mustFail, phases }).toEqual({ ...pick(armOf(plain!, name)) });
    }
  });

  it('documents figures for the arm that is expected to fail alone', () => {
    const plan = resolve(turn4, full);
    expect(armOf(plan, 'before').documented).toHaveLength(3);
    expect(armOf(plan, 'after').documented).toEqual([]);
  });
});

const pick = ({ expected, mustFail, phases }: ReturnType<typeof armOf>) => ({
  expected,
  mustFail,
  phases,
});

describe('a rate and a length', () => {
  it('replace populations by open arrivals, leave out the search and compare no documented figure', () => {
    const plan = resolve(turn4, { ...full, ratePerSecond: 50, durationMs: 5_000 });
    for (const { phases, documented } of plan.arms) {
      const stages = [{ ratePerSecond: 50, durationMs: 5_000 }];
      expect(phases).toMatchObject([
        {
          name: 'measure',
          note: 'open Poisson arrivals at 50/s',
          load: { kind: 'open', arrivals: 'poisson', stages },
        },
      ]);
      expect(documented).toEqual([]);
    }
    expect(plan.generator).toBeNull();
  });

  it('name the generator that plays them, and its own pace', () => {
    const plan = resolve(turn4, { ...full, ratePerSecond: 50, tool: 'k6' });
    expect(plan.generator).toEqual({ tool: 'k6', ratePerSecond: 50 });
    const [measured] = armOf(plan, 'after').phases;
    expect(measured).toMatchObject({ note: 'open arrivals at 50/s by k6' });
    expect(measured!.load).toMatchObject({ arrivals: 'constant' });
  });

  it('of a length alone keep the documented load, as long as asked for', () => {
    const plan = resolve(turn4, { ...full, durationMs: 5_000 });
    expect(armOf(plan, 'before').phases).toMatchObject([{ load: { users: { measureMs: 5_000 } } }]);
    expect(armOf(plan, 'after').phases).toMatchObject([
      { load: { users: { sameLoadMs: 5_000 } } },
      { load: { kind: 'capacity-search' } },
    ]);
    expect(armOf(plan, 'before').documented).toHaveLength(3);
  });

  it.each([
    [{ ratePerSecond: 5 }, '--rate cannot be given to turn1'],
    [{ durationMs: 5 }, '--duration cannot be given to turn1'],
    [{ ratePerSecond: 5, tool: 'k6' as const }, '--load k6 cannot play turn1'],
  ])('are refused where load and faults are one script: %j', (given, what) => {
    expect(() => resolve(turn1, { ...full, ...given })).toThrow(what);
  });

  it('are refused for a population under faults too', () => {
    const { phases } = armOf(resolve(turn4, full), 'after');
    const fault = {
      name: 'kill',
      at: { afterMs: 0 },
      fault: { kind: 'kill', target: 'service', signal: 'SIGKILL' } as const,
    };
    const after = arm({ phases: [{ ...phases[0]!, faults: [fault] }] });
    expect(() => resolve(scenario({ arms: { after } }), { ...full, ratePerSecond: 5 })).toThrow(
      'cannot be given to small',
    );
  });
});

describe('any arm', () => {
  it('may use any kind of load, beside others', () => {
    const { phases } = armOf(resolve(turn4, full), 'after');
    const before = arm({ phases: [phase({ name: 'scripted' }), ...phases] });
    const after = arm({ phases: [phase({ load: open() })] });
    const plan = resolve(scenario({ arms: { before, after } }), full);
    expect(plan.arms.map((one) => one.phases.map(({ load }) => load.kind))).toEqual([
      ['open', 'same-users', 'capacity-search'],
      ['open'],
    ]);
  });
});
