import { describe, expect, it } from 'vitest';
import { type AgentRequest, checkFairShare } from './check-fair-share.ts';

const [LIMIT, WINDOW_US, AGENTS, WINDOWS] = [100, 1_000, 10, 5];
type Demand = Omit<AgentRequest, 'admitted'>;

/** Nine honest agents request their share in each window, one fifty times as much, and three names are invented. */
function demands(): Demand[] {
  const all: Demand[] = [];
  const add = (agent: string, role: AgentRequest['role'], times: number) => {
    for (let one = 0; one < times * WINDOWS; one += 1) {
      const atUs = Math.floor(((one + 0.5) * WINDOW_US) / times);
      all.push({ requestId: `r${all.length}`, agent, role, atUs, weight: 1, isRetry: false });
    }
  };
  for (let agent = 1; agent < AGENTS; agent += 1) add(`a${agent}`, 'honest', 12);
  add('greedy', 'greedy', 500);
  for (const name of ['x', 'y', 'z']) add(name, 'invented', 50);
  return all.sort((a, b) => a.atUs - b.atUs);
}

function decided(decide: (one: Demand, window: Map<string, number>) => boolean): AgentRequest[] {
  const windows = new Map<number, Map<string, number>>();
  return demands().map((one) => {
    const index = Math.floor(one.atUs / WINDOW_US);
    const window = windows.get(index) ?? new Map<string, number>();
    windows.set(index, window);
    const admitted = decide(one, window);
    if (admitted) window.set(one.agent, (window.get(one.agent) ?? 0) + 1);
    return { ...one, admitted };
  });
}
const units = (window: Map<string, number>, names: readonly string[]) =>
  names.reduce((sum, name) => sum + (window.get(name) ?? 0), 0);
const total = (window: Map<string, number>) => [...window.values()].reduce((a, b) => a + b, 0);
/** Eleven places: an even share each, and one for all invented names. */
const even = ({ agent, role }: Demand, window: Map<string, number>) =>
  role === 'invented'
    ? units(window, ['x', 'y', 'z']) < LIMIT / 11
    : (window.get(agent) ?? 0) < LIMIT / 11 && total(window) < LIMIT;

const check = (
  requests: readonly AgentRequest[],
  least = { honest: 9, saturatedWindows: 3, contested: 1 },
) =>
  checkFairShare({
    requests,
    limit: LIMIT,
    windowUs: WINDOW_US,
    mustHaveSeen: least,
    objectives: { jain: 0.95, least: 0.8, used: 0.95, invented: 1.25 },
  });

describe('checkFairShare', () => {
  it('passes even shares', () => {
    expect(check(decided(even))).toMatchObject({ verdict: 'pass', violations: 0 });
  });

  it.each<[string, RegExp, (one: Demand, window: Map<string, number>) => boolean]>([
    ['first come, first served', /less than|gained/, (_, window) => total(window) < LIMIT],
    ['half of it left unused', /unused/, (one, window) => even(one, window) && total(window) < 50],
    [
      'a share for each invented name',
      /gained/,
      ({ agent }, window) => (window.get(agent) ?? 0) < 8 && total(window) < LIMIT,
    ],
    [
      'one agent left out',
      /unequal.*less than/,
      (one, window) =>
        one.agent !== 'a3' && (even(one, window) || (one.agent === 'a4' && total(window) < LIMIT)),
    ],
  ])('catches %s', (_, violation, decide) => {
    const { verdict, witness } = check(decided(decide));
    expect(verdict).toBe('fail');
    expect(witness.map((one) => one.violation).join()).toMatch(violation);
  });

  it('is unknown without enough agents or saturation', () => {
    const requests = decided(even);
    expect(check([]).verdict).toBe('unknown');
    const seen = { honest: 9, saturatedWindows: 3, contested: 9 };
    expect(check(requests, seen).verdict).toBe('pass');
    for (const more of [{ honest: 10 }, { saturatedWindows: 5 }, { contested: 10 }])
      expect(check(requests, { ...seen, ...more }).verdict).toBe('unknown');
    const idle = requests.filter(({ role }) => role === 'honest').slice(0, 20);
    expect(check(idle).reason).toMatch(/honest agents|saturated/);
  });

  it('is unknown when no honest agent was refused, however much the greedy one was', () => {
    const modest = decided(
      ({ agent, role }, window) =>
        role === 'honest' || (role === 'greedy' && (window.get(agent) ?? 0) < 10),
    ).filter(({ role, requestId }) => role !== 'honest' || Number(requestId.slice(1)) % 3 === 0);
    expect(check(modest)).toMatchObject({
      verdict: 'unknown',
      reason: '0 honest agents were refused, 1 needed',
    });
  });

  it('gives agents that request little what they request, and the rest equally to the others', () => {
    // Of 100: 4 agents get 3 each as requested, invented names 9, and the other 6 share 79.
    const little = new Set(['a1', 'a2', 'a3', 'a4']);
    const seen = new Map<string, number>();
    const requests = demands().filter(({ agent }) => {
      const index = seen.get(agent) ?? 0;
      seen.set(agent, index + 1);
      return !little.has(agent) || index % 4 === 0;
    });
    const played = (cap: { readonly honest: number; readonly greedy: number }) => {
      const taken = new Map<string, number>();
      return requests.map((one) => {
        const asker = one.role === 'invented' ? '' : one.agent;
        const key = `${Math.floor(one.atUs / WINDOW_US)} ${asker}`;
        const units = taken.get(key) ?? 0;
        const admitted = units < { ...cap, invented: 9 }[one.role];
        if (admitted) taken.set(key, units + 1);
        return { ...one, admitted };
      });
    };
    const seenAll = { honest: 9, saturatedWindows: 3, contested: 5 };
    expect(check(played({ honest: 11, greedy: 24 }), seenAll)).toMatchObject({ verdict: 'pass' });
    const { witness } = check(played({ honest: 9, greedy: 34 }), seenAll);
    expect(witness.map(({ violation }) => violation)).toEqual(['less than its share']);
  });

  it('counts a retry as what it got, not as what it asked', () => {
    const retried = decided(even).flatMap((one) =>
      one.admitted || one.role !== 'honest'
        ? [one]
        : [one, { ...one, requestId: `${one.requestId} again`, isRetry: true }],
    );
    expect(check(retried).verdict).toBe('pass');
  });

  it('measures how long an agent is refused without a break', () => {
    const { figures } = check(
      decided((one, window) => !(one.agent === 'a3' && one.atUs < 2_500) && even(one, window)),
    );
    const starvation = figures?.find(({ id }) => id === 'starvation')?.value;
    expect(starvation).toBeGreaterThan(2_300);
    expect(starvation).toBeLessThan(2_700);
  });
});
