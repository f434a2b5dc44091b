import { describe, expect, it } from 'vitest';
import { checkRemaining } from './check-remaining.ts';
import { PlayedLevels } from './fixtures/played-levels.ts';
import type { LevelEvent } from './level-events.ts';

function play(defect: Partial<PlayedLevels> = {}): LevelEvent[] {
  const levels = Object.assign(new PlayedLevels(), defect);
  for (let atUs = 1; atUs < 5_000; atUs += 60)
    levels.decide(atUs, {
      weight: atUs % 300 === 1 ? 5 : 1,
      levels: [
        { policy: 'organisation', subject: 'team', limit: 40 },
        { policy: 'user', subject: atUs % 120 === 1 ? 'even' : 'odd', limit: 12 },
      ],
    });
  return levels.events;
}
const check = (events: readonly LevelEvent[], mustSay = ['organisation', 'user']) =>
  checkRemaining({ events, mustSay });

describe('checkRemaining', () => {
  it('passes what is left after each decision, admitted or refused', () => {
    const events = play();
    expect(new Set(events.map(({ kind }) => kind))).toEqual(
      new Set(['admitted', 'refused', 'spared']),
    );
    expect(check(events)).toMatchObject({ verdict: 'pass', violations: 0, checked: events.length });
  });

  it.each<[string, RegExp, Partial<PlayedLevels>]>([
    ['always full', /more is left/, { remainingOf: (_, limit) => limit }],
    ['one more than is left', /more is left/, { remainingOf: (left) => left + 1 }],
    ['one less', /less is left/, { remainingOf: (left) => Math.max(0, left - 1) }],
    ['a lost weight', /more is left/, { weightAt: () => 1 }],
    ['units forgotten early', /more is left/, { windowUs: 800 }],
    ['refusals charged', /less is left/, { chargesSpared: true }],
    [
      'an organisation counted per user',
      /more is left/,
      { keyOf: (policy, _, user) => `${policy} ${user}` },
    ],
  ])('catches %s', (_, violation, defect) => {
    const { verdict, witness } = check(play(defect));
    expect(verdict).toBe('fail');
    expect(String(witness[0]!.violation)).toMatch(violation);
    expect(witness.length).toBeLessThanOrEqual(10);
  });

  it('catches an answer that names another limit', () => {
    const [first, ...rest] = play();
    expect(check([{ ...first!, quota: 41 }, ...rest]).violations).toBe(1);
  });

  it('allows any order of decisions at one instant', () => {
    const levels = new PlayedLevels();
    const request = { weight: 1, levels: [{ policy: 'user', subject: 'u', limit: 5 }] };
    for (let one = 0; one < 8; one += 1) levels.decide(100, request);
    expect(check(levels.events, []).violations).toBe(0);
    expect(check(levels.events.toReversed(), []).violations).toBe(0);
    const full = levels.events.map((event) => ({ ...event, remaining: 5 }));
    expect(check(full, []).violations).toBe(8);
  });

  it('allows for what may have been taken, and for a login while it was not given back', () => {
    const [template] = play();
    const at = (atUs: number, fields: Partial<LevelEvent>): LevelEvent => ({
      ...template!,
      requestId: `r${atUs}`,
      policy: 'login',
      subject: 'a',
      limit: 3,
      quota: 3,
      weight: 1,
      fromUs: atUs,
      toUs: atUs,
      atUs,
      ...fields,
    });
    // Given back at 500, as if taken a window before.
    const refunded = at(100, { kind: 'possible', isRefunded: true, toUs: -500, remaining: 2 });
    const during = at(300, { kind: 'admitted', remaining: 1 });
    const after = at(600, { kind: 'admitted', remaining: 1 });
    expect(check([refunded, during, after], []).violations).toBe(0);
    expect(check([refunded, during, { ...after, remaining: 0 }], []).violations).toBe(1);
    const lost = at(0, { kind: 'possible', fromUs: 50, toUs: 900, atUs: null, remaining: null });
    expect(check([lost, refunded, during, { ...after, remaining: 0 }], []).violations).toBe(0);
  });

  it('bounds a shared level from above only', () => {
    const shared = play({ remainingOf: () => 0 }).map((event) => ({ ...event, isShared: true }));
    expect(check(shared).violations).toBe(0);
    const full = play({ remainingOf: (_, limit) => limit });
    expect(check(full.map((event) => ({ ...event, isShared: true }))).verdict).toBe('fail');
  });

  it('is unknown where no answer says what is left after units were taken', () => {
    expect(check(play(), ['address']).verdict).toBe('unknown');
    expect(check([]).verdict).toBe('unknown');
    const silent = play().map((event) => ({ ...event, remaining: null }));
    expect(check(silent)).toMatchObject({ verdict: 'unknown', checked: 0 });
  });
});
