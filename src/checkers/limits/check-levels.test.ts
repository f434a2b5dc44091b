import { describe, expect, it } from 'vitest';
import { levelRefusalsAreDue, levelsAreExact } from './check-levels.ts';
import { PlayedLevels, type PlayedRequest } from './fixtures/played-levels.ts';

/** Two members of one team: the organisation binds the one, his own limit the other. */
function play(defect: Partial<PlayedLevels> = {}) {
  const levels = Object.assign(new PlayedLevels(), defect);
  const request = (user: string, weight = 1): PlayedRequest => ({
    weight,
    levels: [
      { policy: 'organisation', subject: 'team', limit: 12 },
      { policy: 'user', subject: user, limit: 8 },
    ],
  });
  for (let atUs = 1; atUs < 6_000; atUs += 50) {
    levels.decide(atUs, request('greedy'));
    if (atUs % 200 === 1) levels.decide(atUs + 7, request('modest'));
    if (atUs % 1_000 === 501) levels.decide(atUs + 9, request('searcher', 5));
  }
  return levels;
}
const BOTH = ['organisation', 'user'];

describe('levelsAreExact and levelRefusalsAreDue', () => {
  it('pass a limiter that decides all levels together', () => {
    const { events, refusals } = play();
    expect(levelsAreExact(events, BOTH)).toMatchObject({ verdict: 'pass', violations: 0 });
    expect(levelRefusalsAreDue(events, refusals, BOTH)).toMatchObject({
      verdict: 'pass',
      violations: 0,
    });
  });

  it.each<[string, string, Partial<PlayedLevels>]>([
    [
      'an organisation counted per user',
      'organisation',
      {
        keyOf: (policy, subject, user) => `${policy} ${policy === 'organisation' ? user : subject}`,
      },
    ],
    ['a lost weight', 'organisation', { weightAt: () => 1 }],
    [
      'a weight that one level loses',
      'organisation',
      { weightAt: (policy, weight) => (policy === 'organisation' ? 1 : weight) },
    ],
    ['units forgotten early', 'user', { windowUs: 700 }],
  ])('levelsAreExact catches %s', (_, policy, defect) => {
    const { verdict, witness } = levelsAreExact(play(defect).events, BOTH);
    expect(verdict).toBe('fail');
    expect(witness.map((one) => one.policy)).toContain(policy);
  });

  it.each<[string, Partial<PlayedLevels>]>([
    ['a refusal charged at the other levels', { chargesSpared: true }],
    ['a weight counted twice', { weightAt: (_, weight) => 2 * weight }],
    ['a limit one too small', { limitAt: (limit) => limit - 1 }],
    ['units remembered too long', { windowUs: 1_400 }],
  ])('levelRefusalsAreDue catches %s', (_, defect) => {
    const { events, refusals } = play(defect);
    expect(levelRefusalsAreDue(events, refusals, BOTH).verdict).toBe('fail');
  });

  it('catch a refusal by a level that the request has not, and one that names none', () => {
    const { events, refusals } = play();
    const [first] = refusals;
    for (const refusedBy of [['address'], []]) {
      const wrong = [{ ...first!, refusedBy }, ...refusals.slice(1)];
      expect(levelRefusalsAreDue(events, wrong, BOTH)).toMatchObject({
        verdict: 'fail',
        violations: 1,
      });
    }
  });

  it('let units that may have been taken explain a refusal, and never count them', () => {
    const { events, refusals } = play();
    const unsure = events.map((event) =>
      event.kind === 'admitted'
        ? { ...event, kind: 'possible' as const, fromUs: event.fromUs - 5, toUs: event.toUs + 5 }
        : event,
    );
    expect(levelRefusalsAreDue(unsure, refusals, []).violations).toBe(0);
    expect(levelsAreExact(unsure, []).violations).toBe(0);
  });

  it('leave the refusals of a shared level to the check of the shares', () => {
    const { events, refusals } = play({ limitAt: (limit) => limit - 1 });
    const shared = events.map((event) => ({ ...event, isShared: true }));
    expect(levelRefusalsAreDue(shared, refusals, []).violations).toBe(0);
  });

  it('are unknown while a level never refused', () => {
    const { events, refusals } = play();
    const more = [...BOTH, 'address'];
    expect(levelsAreExact(events, more).reason).toBe('address: nothing was counted');
    expect(levelRefusalsAreDue(events, refusals, more).verdict).toBe('unknown');
    expect(levelsAreExact([], BOTH).verdict).toBe('unknown');
    const calm = events.filter(({ subject }) => subject !== 'greedy' && subject !== 'team');
    expect(levelRefusalsAreDue(calm, [], ['user']).verdict).not.toBe('fail');
  });
});
