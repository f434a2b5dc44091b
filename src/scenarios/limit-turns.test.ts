import { describe, expect, it } from 'vitest';
import { designs } from '../services/lineage.ts';
import { LOAD_KINDS, operationsOf } from '../sim/load-kinds.ts';
import { armOf } from '../sim/plan/plan.ts';
import { resolve } from '../sim/plan/resolve.ts';
import { durationMs } from '../sim/pure/load/arrivals.ts';
import type { MixWorkload } from '../sim/pure/load/workload.ts';
import type { Arm } from '../sim/scenario.ts';
import { viewOf, withoutDesign } from './fixtures/platform-parts.ts';
import { turn2 } from './turn2.ts';
import { turn5 } from './turn5.ts';

describe.each([turn2, turn5])('$id', (scenario) => {
  const planOf = (quick: boolean) => resolve(scenario, { quick, seed: 1 });
  const plans = [planOf(false), planOf(true)];

  it('gives every arm the same testbed and phases except the design', () => {
    for (const { arms } of plans) {
      const bare = ({ topology }: Arm) => withoutDesign(topology);
      const [first, ...rest] = arms;
      for (const arm of rest) expect(bare(arm)).toEqual(bare(first!));
      for (const arm of rest) expect(arm.phases).toEqual(first!.phases);
      for (const { design } of [first!, ...rest])
        expect(designs.map(({ name }) => name)).toContain(design);
    }
  });

  it('believes every invariant beside other processes but the division of a key', () => {
    for (const { invariants } of plans) {
      const excused = invariants.filter(({ dependsOnArrivals }) => dependsOnArrivals);
      expect(excused.map(({ id }) => id)).toEqual(scenario === turn5 ? ['agents-fair'] : []);
    }
  });

  it('has only valid mixes, whose streams end together', () => {
    for (const plan of plans) {
      for (const { load } of armOf(plan, 'after').phases) {
        expect(LOAD_KINDS.of(load.kind).problems(load)).toEqual([]);
        const lengths = (load as MixWorkload).streams.map(durationMs);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThan(1);
      }
    }
  });

  it('uses only account groups that exist', () => {
    const [arm] = planOf(true).arms;
    const { phases } = arm!;
    const { accounts } = viewOf(arm!);
    const groups = (accounts.params!.groups as { name: string }[]).map(({ name }) => name);
    // An anonymous operation may need no account.
    const usedGroups = operationsOf(phases).flatMap(({ group }) => group ?? []);
    expect(groups).toEqual(expect.arrayContaining([...new Set(usedGroups)]));
  });

  it('checks the same invariants under --quick, in shorter windows, and says so', () => {
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

  it('has scrapers at fifty times the rate of honest users, who stay far below the limit', () => {
    const honestRate = rate('baseline', 'list projects') / 40;
    expect(honestRate * 60).toBeLessThan(100 / 2);
    expect(rate('bots', 'scrape') / 3 / honestRate).toBe(50);
  });

  it('sends the whole limit in each burst, twice within a window', () => {
    const mix = phases.find(({ name }) => name === 'bots')!.load as MixWorkload;
    const bursts = mix.streams.filter(({ operations }) =>
      operations.some(({ group }) => group === 'burst'),
    );
    const perBurst = bursts.reduce(
      (sum, { stages, burstEveryMs }) => sum + (stages[0]!.ratePerSecond * burstEveryMs!) / 1_000,
      0,
    );
    expect(perBurst).toBeCloseTo(100, 6);
    expect(bursts[0]!.burstEveryMs!).toBeLessThan(60_000);
  });

  it('sends the whole limit just before Redis is killed, and again within a window', () => {
    const { load, faults } = phases.find(({ name }) => name === 'redis-kill')!;
    const parts = (load as MixWorkload).streams.filter(({ operations }) =>
      operations.some(({ group }) => group === 'outage'),
    );
    const killMs = (faults![0]!.at as { afterMs: number }).afterMs;
    const firstMs = Math.max(...parts.map(({ burstOffsetMs }) => burstOffsetMs!));
    expect(firstMs).toBeGreaterThan(killMs - 300);
    expect(firstMs).toBeLessThan(killMs - 50);
    for (const { burstEveryMs, stages } of parts) {
      expect((stages[0]!.ratePerSecond * burstEveryMs!) / 1_000).toBeCloseTo(25, 6);
      expect(burstEveryMs!).toBeLessThan(60_000);
    }
  });

  it('runs bots for longer than one window of a minute, and kills Redis', () => {
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
