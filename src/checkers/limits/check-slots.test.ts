import { describe, expect, it } from 'vitest';
import { checkSlots, type SlotRequest } from './check-slots.ts';

const LIMIT = 2;
const HELD_US = 40;
const FREE_AFTER_US = 100;

/** Bursts of four, each search answered 80 us after its decision; `holders`: who is counted at a decision. */
function play(holders: (held: readonly number[], nowUs: number) => number): SlotRequest[] {
  const requests: SlotRequest[] = [];
  const starts: number[] = [];
  for (let burst = 0; burst < 5; burst += 1)
    for (let one = 0; one < 4; one += 1) {
      const atUs = 1_000 * burst + 3 * one;
      const held = holders(starts, atUs);
      const admitted = held < LIMIT;
      if (admitted) starts.push(atUs);
      requests.push({
        requestId: `r${requests.length}`,
        subject: 'u1',
        kind: admitted ? 'admitted' : 'refused',
        fromUs: atUs,
        toUs: atUs,
        heldUs: admitted ? HELD_US : 0,
        freeUs: atUs + 80 + FREE_AFTER_US,
        remaining: admitted ? LIMIT - held - 1 : 0,
      });
    }
  return requests;
}
const exact = (starts: readonly number[], nowUs: number) =>
  starts.filter((atUs) => atUs + 80 > nowUs).length;
const check = (requests: readonly SlotRequest[], refused = 1) =>
  checkSlots({ requests, limit: LIMIT, mustHaveSeen: { refused } });

describe('checkSlots', () => {
  it('passes slots that are returned', () =>
    expect(check(play(exact))).toMatchObject({ verdict: 'pass', violations: 0, checked: 20 }));

  it.each<[string, RegExp, Parameters<typeof play>[0]]>([
    ['slots that are kept', /a slot was free/, (starts) => starts.length],
    [
      'a slot kept of every burst',
      /a slot was free/,
      (starts, nowUs) => exact(starts, nowUs) + (nowUs >= 2_000 ? 1 : 0),
    ],
    ['no limit', /more at one time/, () => 0],
    ['one more', /more at one time/, (starts, nowUs) => exact(starts, nowUs) - 1],
  ])('catches %s', (_, violation, holders) => {
    const { verdict, witness } = check(play(holders));
    expect(verdict).toBe('fail');
    expect(witness.map((one) => one.violation).join()).toMatch(violation);
  });

  it('catches an answer that says more slots are left than can be', () => {
    const requests = play(exact).map((one) => ({ ...one, remaining: LIMIT }));
    expect(check(requests).witness[0]!.violation).toBe('more slots are left than can be');
  });

  it('allows for slots that may be held, and for their release after the answer', () => {
    const requests = play(exact);
    const late = { ...requests[0]!, requestId: 'late', kind: 'refused' as const };
    const at = (us: number) => ({ ...late, fromUs: us, toUs: us, remaining: 0, heldUs: 0 });
    expect(check([...requests, at(150)]).violations).toBe(0);
    expect(check([...requests, at(400)]).violations).toBe(1);
    const lost = { ...at(20), kind: 'possible' as const, freeUs: 10_000 };
    const both = [lost, { ...lost, requestId: 'lost too' }];
    expect(check([...requests, ...both, at(400)]).violations).toBe(0);
  });

  it('allows any order of decisions at one instant', () => {
    const together = play(exact).map((one) => {
      const us = 1_000 * Math.floor(one.fromUs / 1_000);
      return { ...one, fromUs: us, toUs: us };
    });
    expect(check(together.toReversed()).violations).toBe(0);
  });

  it('is unknown when no slot was lacking, or none was got again', () => {
    const requests = play(exact);
    expect(check(requests.slice(0, 2)).verdict).toBe('unknown');
    expect(check(requests.slice(0, 4)).reason).toBe('no request got a slot after one was refused');
    expect(check(requests, 100).reason).toBe('10 refused for lack of a slot, 100 needed');
  });
});
