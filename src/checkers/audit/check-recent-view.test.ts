import { describe, expect, it } from 'vitest';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import { checkRecentView, type ViewItem, type ViewRead } from './check-recent-view.ts';

const PAGE = 5;
const STALENESS_US = 2_000;
// Eight actions of u1, one each millisecond from 0, each acknowledged 0.5 ms after it was scheduled.
const actions = Array.from({ length: 8 }, (_, id) => operation(id));
const facts = actions.map((cause) => factOf(cause));
const itemOf = (index: number): ViewItem => facts[index]!;

/** A read sent at 20 ms that shows the given actions, in the given order. */
function read(items: readonly ViewItem[], fields: { sentUs?: number } = {}): ViewRead {
  const sentUs = fields.sentUs ?? 20_000;
  const sent = operation(100, { name: 'view', scheduledUs: sentUs, sentUs, doneUs: sentUs + 500 });
  return { operation: sent, items, pageSize: PAGE };
}
const check = (...reads: ViewRead[]) =>
  checkRecentView({ reads, operations: actions, facts, stalenessUs: STALENESS_US });
const newest = [7, 6, 5, 4, 3].map(itemOf);

describe('checkRecentView', () => {
  it('passes a full page of the newest actions', () => {
    expect(check(read(newest))).toMatchObject({ verdict: 'pass', checked: 1, violations: 0 });
  });

  it('is unknown when no view was read', () => {
    expect(check().verdict).toBe('unknown');
  });

  it('allows what is not yet older than the promised staleness to be missing', () => {
    // Action 7 was acknowledged at 7.5 ms: a read sent at 9.4 ms may lack it, one at 9.6 ms may not.
    const stale = [6, 5, 4, 3, 2].map(itemOf);
    expect(check(read(stale, { sentUs: 9_400 })).verdict).toBe('pass');
    expect(check(read(stale, { sentUs: 9_600 })).verdict).toBe('fail');
  });

  it('allows seeded history behind the actions of this run', () => {
    const old = { id: '-', user: 'u1', requestId: 'seed-1', occurredAtUs: 1 };
    expect(check(read([...[7, 6, 5, 4].map(itemOf), old])).verdict).toBe('fail'); // 3 is newer than the seed
    const few = checkRecentView({
      reads: [read([...[1, 0].map(itemOf), old], { sentUs: 20_000 })],
      operations: actions.slice(0, 2),
      facts: facts.slice(0, 2),
      stalenessUs: 0,
    });
    expect(few.verdict).toBe('pass');
  });

  it('tells which stale page, and how many shared keys, its reads would have shown', () => {
    const view = (id: number, user: string, sentUs: number): ViewRead => {
      const sent = { name: 'view', user, scheduledUs: sentUs, sentUs, doneUs: sentUs + 500 };
      return { operation: operation(id, sent), items: [], pageSize: PAGE };
    };
    const polls = [
      view(50, 'u7', 0),
      view(51, 'u8', 300),
      view(52, 'u7', 2_600),
      view(53, 'u8', 3_500),
    ];
    const views = polls.map(({ operation: polled }) => polled);
    const measured = (reads: readonly ViewRead[], seesAgeUs: number) =>
      checkRecentView({
        reads,
        operations: views,
        facts: views.map((one) => factOf(one)),
        stalenessUs: STALENESS_US,
        seesAgeUs,
      });
    const figureOf = (id: string, reads: readonly ViewRead[]) =>
      measured(reads, 1).figures?.find((figure) => figure.id === id)?.value;
    // The first read of u7 was acknowledged at 0.5 ms: 2.1 ms before the second, which shows a page of 2.6 ms.
    expect(figureOf('stale-page-seen', polls)).toBe(2_600);
    expect(figureOf('stale-page-seen', polls.slice(0, 2))).toBeNull();
    // u8 beside u7's page at 0.3 ms, and at 3.5 ms.
    expect(figureOf('pages-beside', polls)).toBe(2);
    const pages = polls.map((read): ViewRead => {
      const own = polls.filter(
        ({ operation: { user, doneUs } }) =>
          user === read.operation.user && doneUs <= read.operation.sentUs,
      );
      return { ...read, items: own.map(({ operation: polled }) => factOf(polled)) };
    });
    expect(measured(pages, 2_600).verdict).toBe('pass');
    expect(measured(pages, 2_500)).toMatchObject({
      verdict: 'unknown',
      reason: 'no read would have shown a page 0.0025 s old: 0.00 s at best',
    });
    expect(measured(pages.slice(0, 1), 2_500).reason).toMatch(/: none$/);
    // The page of 2.6 ms itself.
    const [first, other, ...rest] = pages;
    const stale = [first!, other!, { ...rest[0]!, items: first!.items }];
    expect(measured(stale, 2_600)).toMatchObject({
      verdict: 'fail',
      witness: [{ violation: 'an acknowledged action is missing' }],
    });
  });

  const foreign: ViewItem = { ...itemOf(5), user: 'u2' };
  const future = operation(50, { sentUs: 30_000, scheduledUs: 30_000, doneUs: 30_500 });
  const planted: [string, RegExp, readonly ViewItem[]][] = [
    ["another user's item", /another user/, [itemOf(7), itemOf(6), foreign, itemOf(4), itemOf(3)]],
    ['oldest first', /newest first/, [...newest].reverse()],
    ['an item twice', /twice/, [itemOf(7), itemOf(7), itemOf(6), itemOf(5), itemOf(4)]],
    ['a gap in the middle', /missing/, [7, 6, 4, 3, 2].map(itemOf)],
    ['an empty page', /missing/, []],
    ['a short page that claims to be everything', /missing/, [7, 6, 5].map(itemOf)],
    ['a frozen cache', /missing/, [4, 3, 2, 1, 0].map(itemOf)],
  ];
  it.each(planted)('catches %s', (_, violation, items) => {
    const answer = check(read(items));
    expect(answer.verdict).toBe('fail');
    expect(String(answer.witness[0]?.violation)).toMatch(violation);
  });

  it('catches an item whose cause had not been sent', () => {
    const answer = checkRecentView({
      reads: [read([factOf(future), ...newest.slice(0, 4)])],
      operations: [...actions, future],
      facts,
      stalenessUs: STALENESS_US,
    });
    expect(String(answer.witness[0]?.violation)).toMatch(/had not been sent/);
  });
});
