import { describe, expect, it } from 'vitest';
import type { FaultRecord, HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import {
  agentsFair,
  degradedBounded,
  noFalseRefusals,
  stolenKeyBounded,
  windowExact,
} from './limit-invariants.ts';

const [LIMIT, WINDOW_MS, EPOCH_US] = [5, 100, 1_795_254_360_000_000];
const given = { limit: LIMIT, windowMs: WINDOW_MS, subjectOf: ({ user }: OperationRecord) => user };

/** A request decided on the limiter's clock halfway between sending and answer. */
function decided(id: number, sentUs: number, admitted: boolean, by = admitted ? '' : 'user') {
  const text = `at=${EPOCH_US + sentUs + 500};took=90;admitted=${admitted ? 1 : 0};mode=store;by=${by}`;
  return operation(id, {
    scheduledUs: sentUs,
    sentUs,
    doneUs: sentUs + 1_000,
    headers: { 'x-limit-decision': text },
    ...(admitted ? {} : { outcome: 'fail' as const, status: 429 }),
  });
}
const many = (count: number, admitted: boolean, fromUs: number, id = fromUs) =>
  Array.from({ length: count }, (_, index) =>
    decided(id + index, fromUs + index * 2_000, admitted),
  );
/** Five admitted, one refused, five more when the first have left the window. */
const sound = [...many(5, true, 0), ...many(1, false, 20_000), ...many(5, true, 101_000)];

describe('agentsFair', () => {
  const roles = { honest: 'honest', made: 'invented' } as const;
  const fair = agentsFair({
    ...given,
    limit: 4,
    agentOf: ({ name, user = '' }) => ({ agent: user, role: roles[name as keyof typeof roles] }),
    mustHaveSeen: { honest: 1, saturatedWindows: 1, contested: 1 },
  });
  /** In each window of 100 ms: two units for an agent, two of all invented names, one refusal. */
  const played = [0, 1, 2].flatMap((window) =>
    [true, true, true, true, false].map((admitted, index) => {
      const one = decided(window * 10 + index, window * 100_000 + index * 5_000, admitted);
      const name = index < 2 || !admitted ? 'honest' : 'made';
      return { ...one, name, user: name === 'made' ? `made up ${index}` : 'agent' };
    }),
  );

  it('counts a request in the window it was decided in, however late its answer comes', () => {
    expect(fair.check(played).verdict).toBe('pass');
    // By the times of the answers, made up names have nothing in the first window and twice their share in the next.
    const late = played.map((one) =>
      one.name === 'made' && one.sentUs < 100_000 ? { ...one, doneUs: one.doneUs + 95_000 } : one,
    );
    expect(fair.check(late)).toMatchObject({ verdict: 'pass', violations: 0 });
  });
});

describe('windowExact and noFalseRefusals', () => {
  it('pass an exact window', () => {
    for (const invariant of [windowExact(given), noFalseRefusals(given), stolenKeyBounded(given)])
      expect(invariant.check(sound)).toMatchObject({ verdict: 'pass', violations: 0 });
  });

  it('catch one too many, with and without evidence', () => {
    const sixth = [...sound, ...many(1, true, 30_000)];
    expect(windowExact(given).check(sixth).verdict).toBe('fail');
    const blind = sixth.map(({ headers: _, ...rest }) => rest);
    expect(windowExact(given).check(blind).verdict).toBe('fail');
    expect(windowExact({ ...given, operations: ['other'] }).check(sixth).verdict).toBe('unknown');
  });

  it('catch a limiter whose clock is wrong', () => {
    const skewed = [...sound, ...many(5, true, 40_000)].map((one, index) => ({
      ...one,
      headers: {
        'x-limit-decision': `at=${EPOCH_US + index * 50_000};took=1;admitted=1;mode=store;by=`,
      },
    }));
    expect(windowExact(given).check(skewed).verdict).toBe('fail');
  });

  it('catch a refusal where there was room, but not one by another policy', () => {
    const early = [...sound, ...many(1, false, 9_000)].filter(({ id }) => id > 1);
    expect(noFalseRefusals(given).check(early).violations).toBeGreaterThan(0);
    const byOthers = early.map((one) =>
      one.status === 429 ? decided(one.id, one.sentUs, false, 'organisation') : one,
    );
    expect(noFalseRefusals({ ...given, policy: 'user' }).check(byOthers).violations).toBe(0);
  });

  it('let refunded units explain refusals only while they are held', () => {
    const refunds = { ...given, isRefunded: ({ id }: OperationRecord) => id === 4 };
    const four = [...many(4, true, 0, 0), decided(4, 9_000, true), decided(5, 9_200, false)];
    expect(noFalseRefusals(refunds).check(four).violations).toBe(0);
    expect(noFalseRefusals(refunds).check([...four, decided(6, 60_000, false)]).violations).toBe(1);
  });
});

describe('degradedBounded', () => {
  const fault = (event: FaultRecord['event'], atUs: number): FaultRecord => ({
    kind: 'fault',
    name: 'redis-killed',
    event,
    atUs,
  });
  const outage = [
    fault('apply', 1_000_000),
    fault('landed', 1_001_000),
    fault('healed', 2_000_000),
  ];
  const answer = (
    id: number,
    sentUs: number,
    mode: string,
    fields: Partial<OperationRecord> = {},
  ) =>
    operation(id, {
      scheduledUs: sentUs,
      sentUs,
      doneUs: sentUs + 400,
      target: 'gateway.1',
      headers: {
        'x-limit-decision': `at=${EPOCH_US + sentUs};took=40;admitted=1;mode=${mode};by=`,
      },
      ...fields,
    });
  const check = (records: readonly HistoryRecord[]) =>
    degradedBounded({
      ...given,
      operations: ['read'],
      faults: ['redis-killed'],
      targets: ['gateway.1'],
      credentials: ['login'],
      maxRecoveryMs: 500,
    }).check(records);
  const login = answer(50, 1_200_000, 'closed', { name: 'login', status: 503, outcome: 'fail' });
  const passing = [...outage, answer(1, 1_100_000, 'share'), login, answer(3, 2_600_000, 'store')];

  it('reads the outage from the faults and passes a bounded share', () => {
    expect(check(passing)).toMatchObject({ verdict: 'pass', violations: 0 });
    expect(check(passing.slice(3)).reason).toBe('the store was never away');
  });

  it('catches an admitted login, even if the evidence says closed', () => {
    const { status: _, ...rest } = login;
    expect(
      check([...passing, { ...rest, status: 200, outcome: 'ok', requestId: 'ok' }]).verdict,
    ).toBe('fail');
  });

  it('catches a process that does not use the store again', () => {
    expect(check([...passing, answer(9, 2_700_000, 'share')]).verdict).toBe('fail');
  });
});
