import { describe, expect, it } from 'vitest';
import { diffDesigns } from './design-diff.ts';

describe('diffDesigns', () => {
  it('lists the fields that differ, by path, and counts the others', () => {
    const before = { pool: 10, audit: { kind: 'flat', wait: 5 }, list: [1] };
    const after = { pool: 10, audit: { kind: 'monthly' }, list: [1], cache: true };
    expect(diffDesigns(before, after)).toEqual({
      changes: [
        { field: 'audit.kind', before: 'flat', after: 'monthly' },
        { field: 'audit.wait', before: '5', after: null },
        { field: 'cache', before: null, after: 'true' },
      ],
      same: 2,
    });
  });

  it('finds no difference between equal designs', () =>
    expect(diffDesigns({ a: { b: null } }, { a: { b: null } })).toEqual({ changes: [], same: 1 }));
});
