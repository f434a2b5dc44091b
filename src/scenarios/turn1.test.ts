import { describe, expect, it } from 'vitest';
import { designs } from '../services/lineage.ts';
import { LOAD_KINDS, operationsOf } from '../sim/load-kinds.ts';
import { edgeName } from '../sim/plan/fault-target.ts';
import { armOf, type Plan } from '../sim/plan/plan.ts';
import { resolve } from '../sim/plan/resolve.ts';
import { mixSchedule } from '../sim/pure/load/schedule.ts';
import type { Arm } from '../sim/scenario.ts';
import { viewOf, withoutDesign } from './fixtures/platform-parts.ts';
import { verbOf } from './invariants/session-verbs.ts';
import { turn1 } from './turn1.ts';
import { endingVerbs } from './turn1-requests.ts';

const [full, quick] = [false, true].map((isQuick) =>
  resolve(turn1, { quick: isQuick, seed: 1 }),
) as [Plan, Plan];
const phasesOf = (plan: Plan) => armOf(plan, 'after').phases;
const phase = (plan: Plan, name: string) => phasesOf(plan).find((one) => one.name === name)!;
const names = (plan: Plan) => phasesOf(plan).map(({ name }) => name);

describe('turn1', () => {
  it('gives every arm the same testbed and phases except the design', () => {
    const bare = ({ topology }: Arm) => withoutDesign(topology);
    for (const { arms } of [full, quick]) {
      const [first, ...rest] = arms;
      for (const arm of rest) expect(bare(arm)).toEqual(bare(first!));
      for (const arm of rest) expect(arm.phases).toEqual(first!.phases);
      for (const arm of arms) {
        const { design } = arm;
        expect(designs.map(({ name }) => name)).toContain(design);
        expect(viewOf(arm).gateway.params).toMatchObject({ design });
        expect(viewOf(arm).accounts.params).toMatchObject({ design });
      }
    }
  });

  it('asks the design before for a statement for each check, which noise does not cause', () => {
    for (const plan of [full, quick]) {
      expect(armOf(plan, 'before').mustFail).toContain('statement-each');
      expect(plan.slos).toContainEqual(
        expect.objectContaining({ id: 'statement-each', objective: 'cost.statements < 1' }),
      );
    }
  });

  it('has ten thousand sessions on four gateways', () => {
    const after = armOf(full, 'after');
    expect(viewOf(after).gateway.instances).toBe(4);
    const { groups } = viewOf(after).accounts.params as { groups: { name: string }[] };
    expect(groups).toContainEqual({ name: 'people', kind: 'sessions', count: 10_000 });
    const killed = after.phases
      .flatMap(({ faults = [] }) => faults)
      .flatMap(({ fault }) => (fault.kind === 'kill' ? [fault.target] : []));
    expect(killed.toSorted()).toEqual(['gateway.2', 'postgres', 'redis']);
    const proxied = after.topology.edges.filter((edge) => edge.proxied).map(edgeName);
    expect(proxied).toEqual(expect.arrayContaining(['gateway->redis', 'gateway->postgres']));
  });

  it('seeds enough users for all accounts', () => {
    for (const arm of [...full.arms, ...quick.arms]) {
      const { accounts, template: step } = viewOf(arm);
      const { groups } = accounts.params as unknown as { groups: { count: number }[] };
      const count = groups.reduce((sum, group) => sum + group.count, 0);
      const template = step.params as Record<string, number>;
      expect(count).toBeLessThanOrEqual(template.users! + template.heavyUsers!);
    }
  });

  it('scales only durations and sessions under --quick, and says so in the scale note', () => {
    expect(names(quick)).toEqual(names(full));
    expect(phasesOf(quick).map(({ faults }) => faults)).toEqual(
      phasesOf(full).map(({ faults }) => faults),
    );
    expect(phasesOf(quick).map(({ judged, role }) => [judged, role])).toEqual(
      phasesOf(full).map(({ judged, role }) => [judged, role]),
    );
    expect(full.scaleNote).toBe('');
    expect(quick.scaleNote).toMatch(/--quick runs \d+ sessions instead of 10,000/);
    const divisor = Number(/by (\d+)/.exec(quick.scaleNote)![1]);
    const baseline = (plan: Plan) => {
      const { load } = phase(plan, 'baseline');
      return LOAD_KINDS.of(load.kind).plannedMs(load)!;
    };
    expect(baseline(full) / baseline(quick)).toBeCloseTo(divisor, 0);
  });

  it('names phases and faults uniquely; every phase and operation of an SLO exists and is judged', () => {
    expect(new Set(names(full)).size).toBe(phasesOf(full).length);
    const faults = phasesOf(full).flatMap(({ faults: of = [] }) => of.map(({ name }) => name));
    expect(new Set(faults).size).toBe(faults.length);
    const operations = operationsOf(phasesOf(full)).map(({ name }) => name);
    for (const { phases = [], baseline, operations: of = [] } of full.slos) {
      for (const name of [...phases, ...(baseline ? [baseline] : [])])
        expect(phase(full, name)).toMatchObject({ judged: true });
      expect(operations).toEqual(expect.arrayContaining([...of]));
    }
    expect(phase(full, full.costPhase!)).toMatchObject({ judged: true });
    expect(phase(full, full.costPhase!).faults).toBeUndefined();
  });

  it('logs out about a thousand people while Redis is cut off', () => {
    const { load: workload } = phase(full, 'redis-partition');
    if (workload.kind !== 'mix') throw new Error('the partition is a mix');
    const groups = new Map(workload.operations.map(({ group }) => [group ?? '', [0, 1]]));
    const logouts = [...mixSchedule(workload, 1, 10_000, 4, groups)].filter(
      ({ template }) => workload.operations[template]!.name === 'logout',
    );
    expect(logouts.length).toBeGreaterThan(900);
    expect(logouts.length).toBeLessThan(1_500);
    expect(phase(full, 'redis-partition').faults![0]!.forMs).toBeUndefined();
  });

  it('multiplies only the logins by twenty in the login storm', () => {
    const weights = (name: string) => {
      const operations = operationsOf([phase(full, name)]);
      return new Map(operations.map((one) => [one.name, one.weight]));
    };
    const [before, storm] = [weights('baseline'), weights('login-storm')];
    expect(storm.get('check')).toBe(before.get('check'));
    expect(storm.get('login')).toBe(20 * before.get('login')!);
    // The cost of a check is counted in a phase without password hashing.
    expect([...weights(full.costPhase!).keys()]).toEqual(['check']);
  });

  it('plays every operation that ends sessions in phases with faults and without', () => {
    for (const plan of [full, quick]) {
      const phasesWith = (name: string) =>
        phasesOf(plan).filter(({ load }) =>
          operationsOf([{ load }]).some((one) => one.name === name),
        );
      for (const verb of endingVerbs) {
        expect({ verb, phases: phasesWith(verb).length }).toMatchObject({
          phases: expect.toSatisfy((count: number) => count >= 2),
        });
        expect(verbOf(verb).ends).toBeDefined();
      }
      for (const name of ['forged', 'log in wrong', 'log in outdated', 'log in disabled'])
        expect(phasesWith(name).length).toBeGreaterThan(0);
    }
  });

  it('probes every ended session on every gateway, after the partition and at the end', () => {
    for (const name of ['healed-ended', 'final-ended'])
      expect(phase(full, name).load).toMatchObject({
        kind: 'sweep',
        as: 'ended',
        everyTarget: true,
      });
    for (const name of ['healed-live', 'final-live'])
      expect(phase(full, name).load).toMatchObject({ kind: 'sweep', as: 'live' });
    expect(names(full).at(-2)).toBe('final-ended');
  });

  it('has only valid loads', () => {
    for (const { load } of [...phasesOf(full), ...phasesOf(quick)])
      expect(LOAD_KINDS.of(load.kind).problems(load)).toEqual([]);
  });
});
