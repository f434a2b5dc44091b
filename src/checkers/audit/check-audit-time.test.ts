import { describe, expect, it } from 'vitest';
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import { checkAuditTime } from './check-audit-time.ts';

/** Of the factory's records. */
const ORIGIN_US = 1_700_000_000_000_000;
const SECOND_US = 1_000_000;
const operations = Array.from({ length: 40 }, (_, id) =>
  operation(id, { sentUs: id * 200_000, doneUs: id * 200_000 + 5_000 }),
);
/** With the clock of the platform ahead. */
const rowOf = (cause: OperationRecord, aheadUs = 0): FactRecord => {
  const row = factOf(cause);
  const occurredAtUs = Math.floor((row.occurredAtUs + aheadUs) / 1_000) * 1_000;
  const facts = { idMs: occurredAtUs / 1_000, receivedAtUs: row.occurredAtUs + aheadUs + 2_000 };
  return { ...row, occurredAtUs, facts };
};
const rows = operations.map((one) => rowOf(one));
const check = (
  given: readonly FactRecord[] = rows,
  sent: readonly OperationRecord[] = operations,
) => checkAuditTime({ operations: sent, rows: given, originUs: ORIGIN_US });
const moved = (change: (occurredAtUs: number) => number, keepId = false) =>
  rows.map((row) => {
    const occurredAtUs = change(row.occurredAtUs);
    const facts = { ...row.facts, ...(keepId ? {} : { idMs: Math.floor(occurredAtUs / 1_000) }) };
    return { ...row, occurredAtUs, facts };
  });
const first = ({ witness }: { witness: readonly object[] }) =>
  (witness[0] as { violation: string }).violation;
const figure = (answer: ReturnType<typeof check>, id: string) =>
  answer.figures?.find((one) => one.id === id)?.value;

describe('the time of a record', () => {
  it('passes within its request, also in milliseconds and with clocks 15 ms apart', () => {
    expect(check()).toMatchObject({ verdict: 'pass', checked: 40, violations: 0 });
    for (const aheadUs of [-15_000, 15_000]) {
      const answer = check(operations.map((one) => rowOf(one, aheadUs)));
      expect(answer.verdict).toBe('pass');
      expect(figure(answer, 'time-outside')).toBeGreaterThan(9_000);
    }
  });

  it('tolerates a clock that is slewed by 500 ppm, and no more', () => {
    const late = operation(1, { sentUs: 600 * SECOND_US, doneUs: 600 * SECOND_US + 5_000 });
    expect(check([rowOf(late, 300_000)], [late]).verdict).toBe('pass');
    expect(check([rowOf(late, 330_000)], [late]).verdict).toBe('fail');
    expect(figure(check([rowOf(late)], [late]), 'time-tolerance')).toBe(320_003);
  });

  it.each<[string, (us: number) => number, string]>([
    ['a second early', (us) => us - SECOND_US, 'before its request was sent'],
    ['a second late', (us) => us + SECOND_US, 'after its answer'],
    ['40 ms early', (us) => us - 40_000, 'before its request was sent'],
    ['truncated to the second', (us) => us - (us % SECOND_US), 'before its request was sent'],
    ['truncated to the minute', (us) => us - (us % (60 * SECOND_US)), 'before its request'],
    ['zero', () => 0, 'before its request was sent'],
    ['no number', () => Number.NaN, 'before its request was sent'],
  ])('fails %s', (_, change, violation) => {
    const answer = check(moved(change));
    expect(answer.verdict).toBe('fail');
    expect(first(answer)).toContain(violation);
  });

  it('fails with another time in the id of the event, even within the request', () => {
    const answer = check(moved((us) => us + 2_000, true));
    expect(first(answer)).toBe('the id of the event has another time');
    const unordered = rows.map(({ facts: { idMs: _, ...facts } = {}, ...row }) => ({
      ...row,
      facts,
    }));
    expect(check(unordered).verdict).toBe('pass');
  });

  it('bounds the time of an unanswered request by its receipt', () => {
    const open = operation(90, {
      sentUs: 9 * SECOND_US,
      doneUs: 10 * SECOND_US,
      status: 0,
      outcome: 'unknown',
    });
    const sent = [...operations, open];
    const atUs = ORIGIN_US + 14 * SECOND_US;
    const row = (receivedAtUs: number) => ({
      ...factOf(open),
      occurredAtUs: atUs,
      facts: { receivedAtUs, idMs: atUs / 1_000 },
    });
    expect(check([...rows, row(atUs + 3_000)], sent).verdict).toBe('pass');
    const answer = check([...rows, row(atUs - SECOND_US)], sent);
    expect(first(answer)).toBe('recorded with a time after the store received it');
  });

  it('is unknown without an origin, records or answers', () => {
    const unknown = (answer: ReturnType<typeof check>) => [answer.verdict, answer.reason];
    expect(unknown(checkAuditTime({ operations, rows, originUs: null }))).toEqual([
      'unknown',
      "the time of the history's origin is not known",
    ]);
    expect(unknown(check([]))[0]).toBe('unknown');
    const never = operations.map((one) => ({ ...one, sentUs: -1 }));
    expect(unknown(check(rows, never))[0]).toBe('unknown');
  });
});
