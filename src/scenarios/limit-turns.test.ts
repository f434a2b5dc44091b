import { describe, expect, it } from 'vitest';
import { designs } from '../services/lineage.ts';
import { durationMs } from '../sim/pure/arrivals.ts';
import { validate } from '../sim/pure/validate-workload.ts';
import type { MixWorkload } from '../sim/pure/workload.ts';
import { type Arm, invariantsOf } from '../sim/scenario.ts';
import { turn2 } from './turn2.ts';
import { turn5 } from './turn5.ts';

describe.each([turn2, turn5])('$id', (scenario) => {
  const scales = [false, true] as const;

  it('takes every arm through the same testbed, but for the design', () => {
    for (const quick of scales) {
      const bare = ({ testbed }: Arm) => ({
        ...testbed,
        accounts: { ...testbed.accounts, params: { ...testbed.accounts.params, design: '' } },
        service: { ...testbed.service, params: { ...testbed.service.params, design: '' } },
      });
      const [first, ...rest] = Object.values(scenario.arms({ quick, seed: 1 }));
      for (const arm of rest) expect(bare(arm)).toEqual(bare(first!));
      for (const { design } of [first!, ...rest])
        expect(designs.map(({ name }) => name)).toContain(design);
    }
  });

  it('plays mixes that are in order, of streams that end together', () => {
    for (const quick of scales) {
      for (const { workload } of scenario.drill(quick).phases) {
        expect(() => validate(workload)).not.toThrow();
        const lengths = (workload as MixWorkload).streams.map(durationMs);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThan(1);
      }
    }
  });

  it('acts as accounts of groups that there are', () => {
    const { accounts } = Object.values(scenario.arms({ quick: true, seed: 1 }))[0]!.testbed;
    const groups = (accounts.params!.groups as { name: string }[]).map(({ name }) => name);
    const asked = scenario
      .drill(true)
      .phases.flatMap(({ workload }) => workload.operations.map(({ group }) => group));
    expect(groups).toEqual(expect.arrayContaining([...new Set(asked)]));
  });

  it('checks the same under --quick, in shorter windows, and says so', () => {
    const ids = (quick: boolean) => invariantsOf(scenario, quick).map(({ id }) => id);
    expect(ids(true)).toEqual(ids(false));
    const windowOf = (quick: boolean) =>
      scenario.arms({ quick, seed: 1 }).after!.testbed.service.params!.limitWindowMs;
    expect(windowOf(false)).toBe(60_000);
    expect(windowOf(true)).toBeLessThan(5_000);
    expect(scenario.drill(true).note).toContain('--quick counts in windows of');
    expect(scenario.drill(false).note).toBe('');
  });
});

describe('turn2', () => {
  const { phases } = turn2.drill(false);
  const rate = (phase: string, operation: string) => {
    const mix = phases.find(({ name }) => name === phase)!.workload as MixWorkload;
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
    const mix = phases.find(({ name }) => name === 'bots')!.workload as MixWorkload;
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
      const { streams } = phases.find((phase) => phase.name === name)!.workload as MixWorkload;
      return durationMs(streams[0]!);
    };
    expect(lengthOf('bots')).toBeGreaterThan(60_000);
    const faults = phases.flatMap(({ faults: planned = [] }) => planned);
    expect(faults.map(({ fault }) => fault)).toEqual([
      { kind: 'kill', target: 'redis', signal: 'SIGKILL' },
    ]);
  });
});
