import { describe, expect, it } from 'vitest';
import { designs } from '../services/lineage.ts';
import { LOAD_KINDS, operationsOf } from '../sim/load-kinds.ts';
import { armOf } from '../sim/plan.ts';
import { durationMs } from '../sim/pure/arrivals.ts';
import type { MixWorkload } from '../sim/pure/workload.ts';
import { resolve } from '../sim/resolve.ts';
import type { Arm } from '../sim/scenario.ts';
import { viewOf, withoutDesign } from './fixtures/platform-parts.ts';
import { turn2 } from './turn2.ts';
import { turn5 } from './turn5.ts';

describe.each([turn2, turn5])('$id', (scenario) => {
  const planOf = (quick: boolean) => resolve(scenario, { quick, seed: 1 });
  const plans = [planOf(false), planOf(true)];

  it('takes every arm through the same testbed, but for the design', () => {
    for (const { arms } of plans) {
      const bare = ({ topology }: Arm) => withoutDesign(topology);
      const [first, ...rest] = arms;
      for (const arm of rest) expect(bare(arm)).toEqual(bare(first!));
      for (const arm of rest) expect(arm.phases).toEqual(first!.phases);
      for (const { design } of [first!, ...rest])
        expect(designs.map(({ name }) => name)).toContain(design);
    }
  });

  it('plays mixes that are in order, of streams that end together', () => {
    for (const plan of plans) {
      for (const { load } of armOf(plan, 'after').phases) {
        expect(LOAD_KINDS.of(load.kind).problems(load)).toEqual([]);
        const lengths = (load as MixWorkload).streams.map(durationMs);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThan(1);
      }
    }
  });

  it('acts as accounts of groups that there are', () => {
    const [arm] = planOf(true).arms;
    const { phases } = arm!;
    const { accounts } = viewOf(arm!);
    const groups = (accounts.params!.groups as { name: string }[]).map(({ name }) => name);
    const asked = operationsOf(phases).map(({ group }) => group);
    expect(groups).toEqual(expect.arrayContaining([...new Set(asked)]));
  });

  it('checks the same under --quick, in shorter windows, and says so', () => {
    const ids = (quick: boolean) => planOf(quick).invariants.map(({ id }) => id);
    expect(ids(true)).toEqual(ids(false));
    const windowOf = (quick: boolean) =>
      viewOf(armOf(planOf(quick), 'after')).gateway.params!.limitWindowMs;
    expect(windowOf(false)).toBe(60_000);
    expect(windowOf(true)).toBeLessThan(5_000);
    expect(planOf(true).scaleNote).toContain('--quick counts in windows of');
    expect(planOf(false).scaleNote).toBe('');
  });
});

describe('turn2', () => {
  const { phases } = armOf(resolve(turn2, { quick: false, seed: 1 }), 'after');
  const rate = (phase: string, operation: string) => {
    const mix = phases.find(({ name }) => name === phase)!.load as MixWorkload;
    const stream = mix.streams.find(({ operations }) =>
      operations.some(({ name }) => name === operation),
    )!;
    return stream.stages[0]!.ratePerSecond;
  };

  it('is a scraper at fifty times the rate of a person, and people far below the limit', () => {
    const people = rate('baseline', 'list projects') / 40;
    expect(people * 60).toBeLessThan(100 / 2);
    expect(rate('bots', 'scrape') / 3 / people).toBe(50);
  });

  it('asks for twice the limit within a window, at once each time', () => {
    const mix = phases.find(({ name }) => name === 'bots')!.load as MixWorkload;
    const bursts = mix.streams.filter(({ arrivals }) => arrivals === 'bursts');
    const perBurst = bursts.reduce(
      (sum, { stages, burstEveryMs }) => sum + (stages[0]!.ratePerSecond * burstEveryMs!) / 1_000,
      0,
    );
    expect(perBurst).toBeCloseTo(100, 6);
    expect(bursts[0]!.burstEveryMs!).toBeLessThan(60_000);
  });

  it('has one true window of a minute under the bots, and kills Redis under them', () => {
    const lengthOf = (name: string) => {
      const { streams } = phases.find((phase) => phase.name === name)!.load as MixWorkload;
      return durationMs(streams[0]!);
    };
    expect(lengthOf('bots')).toBeGreaterThan(60_000);
    const faults = phases.flatMap(({ faults: planned = [] }) => planned);
    expect(faults.map(({ fault }) => fault)).toEqual([
      { kind: 'kill', target: 'redis', signal: 'SIGKILL' },
    ]);
  });
});
