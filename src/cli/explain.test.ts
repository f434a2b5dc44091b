import { describe, expect, it } from 'vitest';
import { turn1 } from '../scenarios/turn1.ts';
import { turn4 } from '../scenarios/turn4.ts';
import { mixOf } from '../sim/pure/workload.ts';
import { type DrillScenario, operationsOf, type Scenario } from '../sim/scenario.ts';
import { runExplain } from './explain.ts';
import { captureIo } from './fixtures/captured-io.ts';

function explained(scenario: Scenario, flags = { json: false }): string {
  const io = captureIo({});
  expect(runExplain(scenario, flags, io)).toBe(0);
  return io.out();
}
const titles = (text: string) => text.match(/^[A-Z].*$/gm)!.slice(1);

describe('a drill, explained', () => {
  const text = explained(turn1);
  const flat = text.replace(/\s+/g, ' ');

  it('has its own sections and none of an incident', () => {
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

  it('says of every phase its load, and of every fault what, when and until when', () => {
    const { phases } = turn1.drill(false);
    for (const [index, phase] of phases.entries()) {
      expect(text).toMatch(new RegExp(`^ {2}${index + 1} +${phase.name}\\b`, 'm'));
    }
    const faults = phases.flatMap(({ faults: planned }) => planned ?? []);
    expect(flat.match(/Fault: /g)).toHaveLength(faults.length);
    expect(flat).toMatch(
      /Fault: kill -9 of gateway\.2, \d+ ms after the first acknowledged logout/,
    );
    expect(flat).toContain('Fault: everything swallowed between gateway and redis');
    expect(flat).toContain('every ended credential, on every process of the service');
  });

  it('says of a mix each of its streams, and of an operation whose it is', () => {
    const stages = [{ ratePerSecond: 20, durationMs: 1_000 }];
    const get = { method: 'GET', path: '/projects' } as const;
    const read = { ...get, name: 'read', weight: 1, group: 'honest' };
    const scrape = { ...get, name: 'scrape', weight: 1, group: 'bot' };
    const workload = mixOf([
      { kind: 'open', arrivals: 'poisson', stages, operations: [read] },
      { kind: 'open', arrivals: 'bursts', burstEveryMs: 500, stages, operations: [scrape] },
    ]);
    const [phase] = turn1.drill(false).phases;
    const mixed: DrillScenario = {
      ...turn1,
      drill: (quick) => ({ ...turn1.drill(quick), phases: [{ ...phase!, workload }] }),
    };
    expect(operationsOf(mixed)).toEqual([read, scrape]);
    const words = explained(mixed).replace(/\s+/g, ' ');
    expect(words).toContain(
      '20/s, Poisson arrivals: read 100 %. Beside it: 20/s, in bursts every 500 ms: scrape 100 %.',
    );
    expect(words).toContain('scrape GET /projects live credential of the group bot');
  });

  it('says of every SLO what it is measured over', () => {
    expect(flat).toContain('latency.p99 <= 1.5x, check in login-storm, against baseline');
    expect(flat).toContain('cost.statements <= 0.2, per operation in checks');
  });

  it('names every design with what it must break', () => {
    expect(flat).toMatch(/sample turn1\.sample, expected to fail on .*logout-final/);
    expect(flat).toContain('sessions.store.kind row-per-request read-through');
  });

  it('is the same as data', () => {
    const data = JSON.parse(explained(turn1, { json: true }));
    expect(data).toMatchObject({ id: 'turn1', kind: 'drill', costPhase: 'checks' });
    expect(data).not.toHaveProperty('documented');
    expect(data.phases.map(({ name }: { name: string }) => name)).toEqual(
      turn1.drill(false).phases.map(({ name }) => name),
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

describe('an incident, explained', () => {
  it('keeps its documented figures and its calibrated load', () => {
    const found = titles(explained(turn4));
    expect(found).toContain('Documented figures');
    expect(found).toContain('Workload');
    const data = JSON.parse(explained(turn4, { json: true }));
    expect(data).toMatchObject({ kind: 'incident', workload: { users: {}, rising: {} } });
  });
});
