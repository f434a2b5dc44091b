import { describe, expect, it } from 'vitest';
import { designs } from '../services/lineage.ts';
import { openSchedule, plannedMs } from '../sim/pure/schedule.ts';
import { validate } from '../sim/pure/validate-workload.ts';
import type { Arm, Drill } from '../sim/scenario.ts';
import { operationsOf } from '../sim/scenario.ts';
import { turn1 } from './turn1.ts';

const [full, quick] = [turn1.drill(false), turn1.drill(true)];
const armsOf = (isQuick: boolean) => Object.values(turn1.arms({ quick: isQuick, seed: 1 }));
const phase = (drill: Drill, name: string) => drill.phases.find((one) => one.name === name)!;
const names = (drill: Drill) => drill.phases.map(({ name }) => name);

describe('turn1', () => {
  it('takes every arm through the same testbed, but for the design', () => {
    const bare = ({ testbed }: Arm) => ({
      ...testbed,
      accounts: { ...testbed.accounts, params: { ...testbed.accounts.params, design: '' } },
      service: { ...testbed.service, params: { ...testbed.service.params, design: '' } },
    });
    for (const isQuick of [false, true]) {
      const [first, ...rest] = armsOf(isQuick);
      for (const arm of rest) expect(bare(arm)).toEqual(bare(first!));
      for (const { design, testbed } of armsOf(isQuick)) {
        expect(designs.map(({ name }) => name)).toContain(design);
        expect(testbed.service.params).toMatchObject({ design });
        expect(testbed.accounts.params).toMatchObject({ design });
      }
    }
  });

  it('is about ten thousand sessions on four gateways, whose names the invariants know', () => {
    const { after } = turn1.arms({ quick: false, seed: 1 });
    expect(after!.testbed.instances).toBe(4);
    expect(after!.testbed.accounts.params).toMatchObject({ count: 10_000 });
    const killed = full.phases
      .flatMap(({ faults = [] }) => faults)
      .flatMap(({ fault }) => (fault.kind === 'kill' ? [fault.target] : []));
    expect(killed.toSorted()).toEqual(['gateway.2', 'postgres', 'redis']);
    expect(after!.testbed.links).toEqual(
      expect.arrayContaining(['service-redis', 'service-postgres']),
    );
  });

  it('finds an account for everybody among the seeded people', () => {
    for (const { testbed } of [...armsOf(false), ...armsOf(true)]) {
      const { count, heavyUsers = 4 } = testbed.accounts.params as Record<string, number>;
      const template = testbed.postgres.template[0]!.params as Record<string, number>;
      expect(count! + heavyUsers!).toBeLessThanOrEqual(template.users! + template.heavyUsers!);
    }
  });

  it('scales under --quick the times and the sessions, and says so; phases, faults, rates and limits stay', () => {
    expect(names(quick)).toEqual(names(full));
    expect(quick.phases.map(({ faults }) => faults)).toEqual(
      full.phases.map(({ faults }) => faults),
    );
    expect(quick.phases.map(({ judged, role }) => [judged, role])).toEqual(
      full.phases.map(({ judged, role }) => [judged, role]),
    );
    expect(full.note).toBe('');
    expect(quick.note).toMatch(/--quick runs \d+ sessions instead of 10,000/);
    const divisor = Number(/by (\d+)/.exec(quick.note)![1]);
    const baseline = (drill: Drill) => plannedMs(phase(drill, 'baseline').workload);
    expect(baseline(full) / baseline(quick)).toBeCloseTo(divisor, 0);
  });

  it('gives each phase a name of its own, and each fault; what SLOs name is there and judged', () => {
    expect(new Set(names(full)).size).toBe(full.phases.length);
    const faults = full.phases.flatMap(({ faults: of = [] }) => of.map(({ name }) => name));
    expect(new Set(faults).size).toBe(faults.length);
    const operations = operationsOf(turn1).map(({ name }) => name);
    for (const { phases = [], baseline, operations: of = [] } of turn1.slos) {
      for (const name of [...phases, ...(baseline ? [baseline] : [])])
        expect(phase(full, name)).toMatchObject({ judged: true });
      expect(operations).toEqual(expect.arrayContaining([...of]));
    }
    expect(phase(full, turn1.costPhase)).toMatchObject({ judged: true });
    expect(phase(full, turn1.costPhase).faults).toBeUndefined();
  });

  it('logs out about a thousand people while Redis is cut off', () => {
    const { workload } = phase(full, 'redis-partition');
    if (workload.kind !== 'open') throw new Error('the partition is an open workload');
    const logouts = [...openSchedule(workload, 1, 10_000, 4)].filter(
      ({ template }) => workload.operations[template]!.name === 'logout',
    );
    expect(logouts.length).toBeGreaterThan(900);
    expect(logouts.length).toBeLessThan(1_500);
    expect(phase(full, 'redis-partition').faults![0]!.forMs).toBeUndefined();
  });

  it('storms with twenty times the logins, and changes nothing else', () => {
    const weights = (name: string) => {
      const { workload } = phase(full, name);
      return new Map(
        workload.operations.map((one) => [one.name, 'weight' in one ? one.weight : 0]),
      );
    };
    const [before, storm] = [weights('baseline'), weights('login-storm')];
    expect(storm.get('check')).toBe(before.get('check'));
    expect(storm.get('login')).toBe(20 * before.get('login')!);
    // What a check costs is counted where nobody hashes a password.
    expect([...weights(turn1.costPhase).keys()]).toEqual(['check']);
  });

  it('tries everything that ended on every gateway, after the partition and at the end', () => {
    for (const name of ['healed-ended', 'final-ended'])
      expect(phase(full, name).workload).toMatchObject({
        kind: 'sweep',
        as: 'ended',
        everyTarget: true,
      });
    for (const name of ['healed-live', 'final-live'])
      expect(phase(full, name).workload).toMatchObject({ kind: 'sweep', as: 'live' });
    expect(names(full).at(-2)).toBe('final-ended');
  });

  it('is made of workloads that can be played', () => {
    for (const { workload } of [...full.phases, ...quick.phases])
      expect(() => validate(workload)).not.toThrow();
  });
});
