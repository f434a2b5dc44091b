import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FaultSpec } from '../../fault-plan.ts';
import { createRandom } from '../random.ts';
import { type KillKind, type KillPlan, planKills } from './kill-plan.ts';

const gateway: KillKind = {
  family: 'gateway-kill',
  kind: 'kill',
  targets: ['gateway.1', 'gateway.2', 'gateway.3'],
  signal: 'SIGKILL',
  forMs: 150,
  recoveryMs: 1_500,
  trigger: { acknowledged: { operation: 'create', lagMs: 5 } },
};
const postgres: KillKind = {
  family: 'postgres-kill',
  kind: 'kill',
  targets: ['postgres'],
  signal: 'SIGKILL',
  exclusive: true,
  forMs: 300,
  recoveryMs: 900,
  trigger: { commitInFlight: true },
};
const plan = (gateways: number, servers: number): KillPlan => ({
  kinds: [
    { kind: gateway, count: gateways },
    { kind: postgres, count: servers },
  ],
  startMs: 500,
  spacingMs: 1_300,
  maxDown: 2,
});
const kindOf = (name: string) => (name.startsWith('gateway') ? gateway : postgres);
const targetOf = ({ target }: FaultSpec) => target;

describe('kills from a seed', () => {
  it('are complete, numbered and deterministic', () => {
    const numbers = new Map([['gateway-kill', 7]]);
    const { faults } = planKills(plan(5, 2), createRandom(1), numbers);
    expect(faults.map(({ name }) => name).sort()).toEqual([
      'gateway-kill#10',
      'gateway-kill#11',
      'gateway-kill#12',
      'gateway-kill#8',
      'gateway-kill#9',
      'postgres-kill#1',
      'postgres-kill#2',
    ]);
    expect(numbers.get('gateway-kill')).toBe(12);
    const again = planKills(plan(5, 2), createRandom(1), new Map([['gateway-kill', 7]]));
    expect(again.faults).toEqual(faults);
    const other = planKills(plan(5, 2), createRandom(2), new Map());
    expect(other.faults).not.toEqual(faults);
  });

  it('never overlap on one target; an exclusive kill overlaps with none', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), fc.nat(20), (seed, some, alone) => {
        const { faults, endMs } = planKills(plan(some, alone), createRandom(seed), new Map());
        expect(faults).toHaveLength(some + alone);
        const spans = faults.map(({ name, at, fault, forMs }) => ({
          target: targetOf(fault),
          isAlone: kindOf(name).exclusive === true,
          fromMs: at.afterMs,
          toMs: at.afterMs + 300 + forMs! + kindOf(name).recoveryMs,
        }));
        for (const [index, one] of spans.entries()) {
          expect(one.toMs).toBeLessThanOrEqual(endMs + 1);
          const down = spans.filter(
            ({ fromMs, toMs }) => fromMs < one.fromMs && toMs > one.fromMs + 1,
          );
          expect(down.length).toBeLessThan(2);
          for (const other of spans.slice(index + 1)) {
            if (one.target !== other.target && !one.isAlone && !other.isAlone) continue;
            expect(other.fromMs).toBeGreaterThanOrEqual(one.toMs - 1);
          }
        }
        // Whatever takes longer: nothing begins before what it must not overlap with is over.
        const at = new Map(faults.map(({ name }, index) => [name, index]));
        for (const [index, { after = [] }] of faults.entries())
          for (const name of after) expect(at.get(name)).toBeLessThan(index);
      }),
      { numRuns: 50 },
    );
  });
});
