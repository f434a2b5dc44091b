import { describe, expect, it } from 'vitest';
import { turn1 } from '../../scenarios/turn1.ts';
import { turn4 } from '../../scenarios/turn4.ts';
import { plantedLoad } from '../../sim/fixtures/planted-load.ts';
import { arm, get, phase, scenario } from '../../sim/fixtures/small-scenario.ts';
import { LOAD_KINDS, operationsOf } from '../../sim/load-kinds.ts';
import { armOf } from '../../sim/plan/plan.ts';
import { resolve } from '../../sim/plan/resolve.ts';
import { mixOf } from '../../sim/pure/load/workload.ts';
import type { Scenario } from '../../sim/scenario.ts';
import { captureIo } from '../fixtures/captured-io.ts';
import { runExplain } from './explain.ts';

function explained(scenario: Scenario, flags = { json: false }): string {
  const io = captureIo({});
  expect(runExplain(scenario, flags, io)).toBe(0);
  return io.out();
}
const planned = (scenario: Scenario) =>
  armOf(resolve(scenario, { quick: false, seed: 1 }), 'after').phases;
const titles = (text: string) => text.match(/^[A-Z].*$/gm)!.slice(1);

describe('phases of load and faults, explained', () => {
  const text = explained(turn1);
  const flat = text.replace(/\s+/g, ' ');

  it('omits sections without content', () => {
    const found = titles(text).filter((line) => !line.endsWith('?'));
    expect(found).toEqual([
      'What happens',
      'Designs',
      'What changes from before to after',
      'Workload, phase by phase',
      'Operations',
      'SLOs',
      'Invariants',
      'Try it',
    ]);
  });

  it('fits a terminal of 80 columns', () => {
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it('describes the load of every phase, and every fault with its start and end', () => {
    const phases = planned(turn1);
    for (const [index, phase] of phases.entries()) {
      expect(text).toMatch(new RegExp(`^ {2}${index + 1} +${phase.name}\\b`, 'm'));
    }
    const faults = phases.flatMap((phase) => phase.faults ?? []);
    expect(flat.match(/Fault: /g)).toHaveLength(faults.length);
    expect(flat).toMatch(
      /Fault: kill -9 of gateway\.2, \d+ ms after the first acknowledged logout/,
    );
    expect(flat).toContain('Fault: everything swallowed between gateway and redis');
    expect(flat).toContain('every ended credential, on every process of the service');
  });

  it('describes each stream of a mix, and the credential of each operation', () => {
    const stages = [{ ratePerSecond: 20, durationMs: 1_000 }];
    const get = { method: 'GET', path: '/projects' } as const;
    const read = { ...get, name: 'read', weight: 1, group: 'honest' };
    const scrape = { ...get, name: 'scrape', weight: 1, group: 'bot' };
    const workload = mixOf([
      { kind: 'open', arrivals: 'poisson', stages, operations: [read] },
      { kind: 'open', arrivals: 'bursts', burstEveryMs: 500, stages, operations: [scrape] },
    ]);
    const phases = planned(turn1)
      .slice(0, 1)
      .map((phase) => ({ ...phase, load: workload, judged: true }));
    const mixed: Scenario = {
      ...turn1,
      declare: (options) => {
        const declared = turn1.declare(options);
        const after = { ...declared.arms.after!, phases };
        return { ...declared, arms: { after }, slos: [], costPhase: phases[0]!.name };
      },
    };
    expect(operationsOf(planned(mixed))).toEqual([read, scrape]);
    const words = explained(mixed).replace(/\s+/g, ' ');
    expect(words).toContain(
      '20/s, Poisson arrivals: read 100 %. Beside it: 20/s, in bursts every 500 ms: scrape 100 %.',
    );
    expect(words).toContain('scrape GET /projects live credential of the group bot');
  });

  it('names the scope of every SLO', () => {
    expect(flat).toContain('latency.p99 <= 1.5x, check in login-storm, against baseline');
    expect(flat).toContain('cost.statements <= 0.2, per operation in checks');
  });

  it('names every design with the SLOs it must miss', () => {
    expect(flat).toMatch(/sample turn1\.sample, expected to fail on .*logout-final/);
    expect(flat).toContain('sessions.store.kind row-per-request read-through');
  });

  it('is the same as data', () => {
    const data = JSON.parse(explained(turn1, { json: true }));
    expect(data).toMatchObject({ id: 'turn1', costPhase: 'checks' });
    expect(data).not.toHaveProperty('documented');
    expect(data.phases.map(({ name }: { name: string }) => name)).toEqual(
      planned(turn1).map(({ name }) => name),
    );
    const faults = data.phases.flatMap((phase: { faults: { words: string }[] }) => phase.faults);
    expect(faults.every(({ words }: { words: string }) => words.includes('undone'))).toBe(true);
    expect(data.slos.find(({ id }: { id: string }) => id === 'storm').scope).toContain('baseline');
    expect(data.designs.map(({ arm }: { arm: string }) => arm)).toEqual([
      'before',
      'sample',
      'after',
    ]);
  });
});

describe('a held population and a search, explained', () => {
  it('keeps its documented figures and its calibrated load', () => {
    const found = titles(explained(turn4));
    expect(found).toContain('Documented figures');
    expect(found).toContain('Workload, phase by phase');
    const data = JSON.parse(explained(turn4, { json: true }));
    expect(data.phases).toMatchObject([
      { arms: ['before'], workload: { kind: 'cpu-controlled-users', users: {} } },
      { arms: ['after'], workload: { kind: 'same-users', users: {} } },
      { arms: ['after'], workload: { kind: 'capacity-search', search: {} } },
    ]);
  });
});

describe('a kind of load from outside, explained', () => {
  it('describes it in the words of its own file', () => {
    const unregister = LOAD_KINDS.register(plantedLoad);
    try {
      const load = { kind: 'x-planted', requests: 40, operation: get } as const;
      const after = arm({ phases: [phase({ name: 'planted', load })] });
      const text = explained(scenario({ arms: { after } }));
      expect(text).toContain('40 times get, planted, at 40/s.');
      expect(text).toMatch(/^ {2}get +GET \/ +live credential$/m);
    } finally {
      unregister();
    }
    expect(() => LOAD_KINDS.of('x-planted')).toThrow(/no kind of load "x-planted"/);
  });
});
