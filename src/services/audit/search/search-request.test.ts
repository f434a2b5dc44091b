import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isoFromUs } from '../../ports.ts';
import { decodeCursor, encodeCursor } from '../policy.ts';
import { occurredAtRange, searchSql } from './search.ts';
import {
  type AuditFilter,
  buildConditions,
  cursorScope,
  pageOfScan,
  parseActor,
  parseInstant,
} from './search-request.ts';

const position = { occurredAt: '2026-11-21T03:23:15.123456Z', id: '42' };
const word = fc.option(fc.string({ maxLength: 12 }), { nil: undefined });
const filters: fc.Arbitrary<AuditFilter> = fc.record({
  actor: fc.constantFrom(undefined, '7', 'user:7', 'key:3', 'agent:3/2'),
  action: fc.oneof(word, fc.constant('project.*')),
  targetType: word,
  targetId: word,
  outcome: fc.constantFrom(undefined, 'success', 'denied'),
  from: fc.constantFrom(undefined, '2026-11-01T00:00:00.000000Z'),
  to: fc.constantFrom(undefined, '2026-11-21T00:00:00.000000Z'),
});
const organisation = fc.integer({ min: 0, max: 1_000 }).map(String);

describe('a cursor of the audit log', () => {
  it('is valid for the request it was made for', () => {
    fc.assert(
      fc.property(organisation, filters, (id, filter) => {
        const scope = cursorScope(id, filter);
        expect(decodeCursor(encodeCursor(position, scope), scope)).toEqual(position);
      }),
    );
  });

  it('is invalid for another organisation, other filters, or recent activity', () => {
    fc.assert(
      fc.property(organisation, organisation, filters, filters, (a, b, filter, other) => {
        const scope = cursorScope(a, filter);
        fc.pre(scope !== cursorScope(b, other));
        const cursor = encodeCursor(position, scope);
        expect(decodeCursor(cursor, cursorScope(b, other))).toBeNull();
        expect(decodeCursor(cursor)).toBeNull();
        expect(decodeCursor(encodeCursor(position), scope)).toBeNull();
      }),
    );
  });

  it('does not confuse one filter with the next', () => {
    expect(cursorScope('1', { action: 'a' })).not.toBe(cursorScope('1', { targetType: 'a' }));
    expect(cursorScope('1', { targetId: '2' })).not.toBe(cursorScope('12', {}));
  });
});

describe('the parameters of a request', () => {
  it.each([
    ['7', { userId: '7', keyId: null, agent: null }],
    ['user:7', { userId: '7', keyId: null, agent: null }],
    ['key:12', { userId: null, keyId: '12', agent: null }],
    ['agent:12/3', { userId: null, keyId: '12', agent: '3' }],
  ])('actor %s', (text, actor) => expect(parseActor(text)).toEqual(actor));

  it.each([
    '',
    'x',
    '-1',
    'key:',
    'key:1/2',
    'agent:1',
    'agent:1/',
    'user:7/1',
    '1 ',
    '1'.repeat(19),
  ])('no actor: "%s"', (text) => expect(parseActor(text)).toBeNull());

  it.each([
    ['2026-11-21', '2026-11-21T00:00:00.000000Z'],
    ['2026-11-21T03:23Z', '2026-11-21T03:23:00.000000Z'],
    ['2026-11-21T03:23:15Z', '2026-11-21T03:23:15.000000Z'],
    ['2026-11-21T03:23:15.1234Z', '2026-11-21T03:23:15.123400Z'],
  ])('time %s', (text, at) => expect(parseInstant(text)).toBe(at));

  it.each([
    '',
    '2026-02-30',
    '2026-13-01',
    '0000-01-01',
    '2026-11-21T24:00Z',
    '2026-11-21T03:23:60Z',
  ])('no time: "%s"', (text) => expect(parseInstant(text)).toBeNull());

  it.each(['2026-11-21 03:23:15Z', '2026-11-21T03:23:15+01:00', '2026-11-21T03:23:15', 'now', "'"])(
    'no time of ours: "%s"',
    (text) => expect(parseInstant(text)).toBeNull(),
  );
});

describe('the statement', () => {
  it('binds every value as a parameter, the organisation first', () => {
    fc.assert(
      fc.property(organisation, filters, fc.boolean(), (id, filter, actorIndex) => {
        const values: unknown[] = [];
        const bind = (value: unknown) => `$${values.push(value)}`;
        const indexes = actorIndex ? (['tenant', 'actor'] as const) : (['tenant'] as const);
        const conditions = buildConditions(id, { filter, after: position }, indexes, bind);
        const text = searchSql({ ...conditions, maxRows: bind(9), limit: bind(5) });
        expect(conditions.indexConditions[0]).toContain('organisation_id = $1');
        expect(values[0]).toBe(id);
        const named = new Set(text.match(/\$\d+/g));
        expect(named.size).toBe(values.length);
      }),
    );
  });

  it('scans by user only with an index over users', () => {
    const given = { filter: { actor: '7' }, after: null };
    const bind = () => '$1';
    expect(buildConditions('1', given, ['tenant'], bind).rowFilters).toEqual(['user_id = $1']);
    expect(buildConditions('1', given, ['tenant', 'actor'], bind)).toEqual({
      indexConditions: ['coalesce(organisation_id = $1, false)', 'user_id = $1'],
      rowFilters: [],
    });
  });
});

describe('a page', () => {
  const row = (id: number, isMatch: boolean, isLast = false) => ({
    occurredAt: isoFromUs(1e15 - id),
    id: String(id),
    isMatch,
    isLast,
  });
  const next = (id: number) => encodeCursor(row(id, true), 'scope');

  it('ends behind its last item when more were found', () => {
    const rows = [row(1, true), row(2, true), row(3, true)];
    expect(pageOfScan(rows, 2, 'scope')).toEqual({ found: rows.slice(0, 2), next: next(2) });
  });

  it('continues where the scan stopped before the page was full', () => {
    const rows = [row(1, true), row(9, false, true)];
    expect(pageOfScan(rows, 2, 'scope')).toEqual({ found: rows.slice(0, 1), next: next(9) });
    const only = [row(9, false, true)];
    expect(pageOfScan(only, 2, 'scope')).toEqual({ found: [], next: next(9) });
  });

  it('skips nothing when the page is full before the end of the scan', () => {
    const rows = [row(1, true), row(2, true), row(9, true, true)];
    expect(pageOfScan(rows, 2, 'scope').next).toBe(next(2));
  });

  it('is the last when nothing is left', () => {
    expect(pageOfScan([row(1, true)], 2, 'scope').next).toBeNull();
    expect(pageOfScan([], 2, 'scope')).toEqual({ found: [], next: null });
  });
});

describe('the id of an event', () => {
  it('gives the time range of the event, from its milliseconds', () => {
    const [from, to] = occurredAtRange('019aa4b1-2c33-7abc-8def-0123456789ab') ?? [];
    const atMs = 0x019aa4b12c33;
    expect([from, to]).toEqual([
      new Date(atMs - 1_000).toISOString(),
      new Date(atMs + 1_000).toISOString(),
    ]);
  });

  it.each([
    '',
    'x',
    '019aa4b1-2c33-4abc-8def-0123456789ab',
    'ffffffff-ffff-7abc-8def-0123456789ab',
  ])('is of no event: "%s"', (id) => expect(occurredAtRange(id)).toBeNull());
});
