import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import type { LevelUse } from './limit-level-events.ts';
import {
  levelRefusals,
  levelsExact,
  modestServed,
  refundsGiven,
  remainingExact,
  slotsReturned,
} from './limit-levels.ts';

const [WINDOW_MS, EPOCH_US] = [100, 1_795_254_360_000_000];
const level = (policy: string, subject: string, limit: number, isSecond = false): LevelUse => ({
  policy,
  subject,
  limit,
  isSecond,
  windowMs: WINDOW_MS,
  weight: 1,
});
const given = {
  levelsOf: ({ name, user }: OperationRecord) =>
    name === 'login'
      ? [level('login', 'network', 4), level('login-pair', user, 2, true)]
      : [level('organisation', 'team', 5), level('user', user, 3)],
  isRefunded: ({ name, outcome }: OperationRecord) => name === 'login' && outcome === 'ok',
};
const rules = { ...given, mustBind: ['organisation', 'user'] };
const verdictOf = (
  invariant: { check(history: readonly OperationRecord[]): { verdict: string } },
  history: readonly OperationRecord[],
) => invariant.check(history).verdict;

interface Answer {
  readonly decisions: readonly { readonly atUs: number; readonly by?: string }[];
  readonly left?: Readonly<Record<string, number>>;
}
/** Sent 500 us before its first decision, answered 500 us after its last. */
function answered(
  id: number,
  { decisions, left = {} }: Answer,
  fields: Partial<OperationRecord> = {},
): OperationRecord {
  const [firstUs, lastUs] = [decisions[0]!.atUs, decisions.at(-1)!.atUs];
  const isRefused = decisions.some(({ by }) => by !== undefined);
  const evidence = decisions.map(
    ({ atUs, by }) =>
      `at=${EPOCH_US + atUs};took=9;admitted=${by === undefined ? 1 : 0};mode=store;by=${by ?? ''}`,
  );
  const limits: Record<string, number> = { organisation: 5, user: 3, login: 4, 'login-pair': 2 };
  const policies = Object.keys(left);
  return operation(id, {
    name: 'read',
    sentUs: firstUs - 500,
    doneUs: lastUs + 500,
    target: 'gateway.1',
    headers: {
      'x-limit-decision': evidence.join(', '),
      'ratelimit-policy': policies.map((one) => `"${one}";q=${limits[one]};w=1`).join(', '),
      ratelimit: policies.map((one) => `"${one}";r=${left[one]};t=1`).join(', '),
    },
    ...(isRefused ? { outcome: 'fail' as const, status: 429 } : {}),
    ...fields,
  });
}
const read = (id: number, user: string, by?: string, left: Answer['left'] = {}) => {
  const decision = { atUs: 1_000 + id * 1_000, ...(by === undefined ? {} : { by }) };
  return answered(id, { decisions: [decision], left }, { user });
};

/** Three of one user, a fourth refused by the user's limit, two of another, a third refused by the team's. */
const sound = [
  read(0, 'a', undefined, { organisation: 4, user: 2 }),
  read(1, 'a', undefined, { organisation: 3, user: 1 }),
  read(2, 'a', undefined, { organisation: 2, user: 0 }),
  read(3, 'a', 'user', { organisation: 2, user: 0 }),
  read(4, 'b', undefined, { organisation: 1, user: 2 }),
  read(5, 'b', undefined, { organisation: 0, user: 1 }),
  read(6, 'b', 'organisation', { organisation: 0, user: 1 }),
];

describe('levels', () => {
  const say = remainingExact({ ...given, mustSay: ['organisation', 'user'] });

  it('pass a refusal that takes nothing at the other level', () => {
    for (const invariant of [levelsExact(rules), levelRefusals(rules), say])
      expect(invariant.check(sound)).toMatchObject({ verdict: 'pass', violations: 0 });
  });

  it('catch one more than the team has', () => {
    const more = [...sound.slice(0, 6), read(6, 'b')];
    expect(verdictOf(levelsExact(rules), more)).toBe('fail');
  });

  it('catch a refusal by a level with room, or without a name', () => {
    expect(
      verdictOf(levelRefusals(rules), [...sound.slice(0, 4), read(4, 'b', 'organisation')]),
    ).toBe('fail');
    const nameless = operation(9, { ...sound[3]!, headers: {} });
    expect(verdictOf(levelRefusals(rules), [...sound, nameless])).toBe('fail');
    expect(verdictOf(levelRefusals(rules), [...sound, read(7, 'b', 'key')])).toBe('fail');
  });

  it('catch what is left when a refusal was charged', () => {
    const charged = read(4, 'b', undefined, { organisation: 0, user: 2 });
    expect(verdictOf(say, [...sound.slice(0, 4), charged])).toBe('fail');
  });

  it('count what was answered without evidence, and not what was lost', () => {
    const bare = (fields: Partial<OperationRecord>) => [
      ...sound.slice(0, 6),
      operation(6, { ...read(6, 'b'), headers: {}, ...fields }),
    ];
    expect(verdictOf(levelsExact(rules), bare({}))).toBe('fail');
    expect(verdictOf(levelsExact(rules), bare({ outcome: 'fail', status: 401 }))).toBe('fail');
    expect(verdictOf(levelsExact(rules), bare({ outcome: 'unknown', status: 0 }))).not.toBe('fail');
  });

  it('let a decision without the store explain a refusal', () => {
    const share = { 'x-limit-decision': `at=${EPOCH_US};took=9;admitted=0;mode=share;by=user` };
    const local = operation(6, { ...read(6, 'c'), status: 429, outcome: 'fail', headers: share });
    expect(levelRefusals(rules).check([...sound, local]).violations).toBe(0);
    const lone = [local, read(7, 'd', 'organisation')];
    expect(levelRefusals(rules).check(lone).violations).toBe(1);
  });
});

describe('logins', () => {
  const refunds = refundsGiven({
    ...given,
    policies: ['login', 'login-pair'],
    mustExceed: ['login', 'login-pair'],
  });
  const login = (id: number, user: string, fields: Partial<OperationRecord> = {}, by?: string) => {
    const atUs = 1_000 + id * 2_000;
    const second = { atUs: atUs + 200, ...(by === undefined ? {} : { by }) };
    return answered(id, { decisions: [{ atUs }, second] }, { name: 'login', user, ...fields });
  };
  const unavailable = { outcome: 'unknown', status: 503 } as const;
  const wrong = { outcome: 'fail' as const, status: 401 };
  const succeed = [0, 1, 2, 3, 4].map((id) => login(id, 'a'));

  it('pass as often as they succeed', () =>
    expect(refunds.check(succeed)).toMatchObject({ verdict: 'pass', violations: 0 }));

  it('are caught when a success is not given back', () =>
    expect(verdictOf(refunds, [...succeed, login(5, 'a', {}, 'login-pair')])).toBe('fail'));

  it('pass as often as they are answered 503, and are caught when one keeps its units', () => {
    const busy = [0, 1, 2, 3, 4].map((id) => login(id, 'b', unavailable));
    expect(refunds.check(busy)).toMatchObject({ verdict: 'pass', violations: 0 });
    expect(verdictOf(refunds, [...busy, login(5, 'b', {}, 'login-pair')])).toBe('fail');
  });

  it('are caught when one that its account refuses costs its address', () => {
    const guesses = [5, 6].map((id) => login(id, 'b', wrong));
    const refused = [7, 8, 9, 10].map((id) => login(id, 'b', {}, 'login-pair'));
    const sendAgain = (by?: string) =>
      answered(
        11,
        { decisions: [{ atUs: 24_000, ...(by === undefined ? {} : { by }) }] },
        { name: 'login', user: 'c' },
      );
    const all = [...succeed, ...guesses, ...refused];
    expect(verdictOf(refunds, all)).toBe('pass');
    expect(verdictOf(refunds, [...all, sendAgain('login')])).toBe('fail');
  });

  it('explain a refusal when the process may have lost the refund with the store', () => {
    const lost = operation(8, {
      sentUs: 1_500,
      doneUs: 9_500,
      target: 'gateway.1',
      outcome: 'unknown',
      status: 0,
      headers: {},
    });
    const { violations } = refunds.check([...succeed, lost, login(5, 'a', {}, 'login-pair')]);
    expect(violations).toBe(0);
  });
});

describe('slots', () => {
  const slots = (operations = ['search']) =>
    slotsReturned({
      policy: 'slots',
      limit: 2,
      operations,
      alike: ['search'],
      subjectOf: ({ user }) => user,
      freeWithinMs: 5,
      slotTtlMs: 1_000,
      mustHaveSeen: { refused: 1 },
    });
  const search = (id: number, atUs: number, by?: string): OperationRecord => {
    const found = answered(id, { decisions: [{ atUs, ...(by === undefined ? {} : { by }) }] });
    const isSlow = by === undefined;
    return { ...found, name: 'search', ...(isSlow ? { doneUs: atUs + 20_000 } : {}) };
  };
  const burst = (fromUs: number, id: number) => [
    search(id, fromUs),
    search(id + 1, fromUs + 100),
    search(id + 2, fromUs + 200, 'slots'),
  ];

  it('pass when a search that ends lets the next one in', () =>
    expect(slots().check([...burst(1_000, 0), ...burst(90_000, 3)])).toMatchObject({
      verdict: 'pass',
    }));

  it('are caught when they are kept, and when there are more than the limit', () => {
    const kept = [...burst(1_000, 0), search(3, 90_000, 'slots')];
    expect(verdictOf(slots(), kept)).toBe('fail');
    const third = [...burst(1_000, 0), search(3, 1_300)];
    expect(verdictOf(slots(), third)).toBe('fail');
  });

  it('may be kept where the process lost the store, until they expire', () => {
    const lost = operation(8, {
      sentUs: 2_000,
      doneUs: 10_000,
      target: 'gateway.1',
      outcome: 'unknown',
      status: 0,
      headers: {},
    });
    const refused = search(4, 90_000, 'slots');
    expect(slots().check([...burst(1_000, 0), lost, refused]).violations).toBe(0);
    const late = search(5, 1_200_000, 'slots');
    expect(slots().check([...burst(1_000, 0), lost, late]).violations).toBe(1);
  });

  it('are not judged by requests that another level refused', () => {
    const byUser = search(3, 90_000, 'user');
    expect(slots().check([...burst(1_000, 0), byUser]).violations).toBe(0);
  });
});

describe('modest clients', () => {
  const served = modestServed({
    id: 'searchers-served',
    statement: '',
    operations: ['read'],
    phases: ['measure'],
    weightOf: () => 5,
    admitted: 2,
  });

  it('are never refused in the phases that count', () => {
    const admitted = [read(0, 'a'), read(1, 'b')];
    expect(verdictOf(served, admitted)).toBe('pass');
    expect(verdictOf(served, [...admitted, read(2, 'a', 'user')])).toBe('fail');
    const outage = { ...read(2, 'a', 'user'), phase: 'outage' };
    expect(verdictOf(served, [...admitted, outage])).toBe('pass');
    expect(verdictOf(served, admitted.slice(1))).toBe('unknown');
  });
});
