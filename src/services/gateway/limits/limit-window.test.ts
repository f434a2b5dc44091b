import { describe, expect, it } from 'vitest';
import { findDesign } from '../../lineage.ts';
import { withLimitWindow } from './limit-window.ts';

const scaled = (name: string, windowMs: number) =>
  withLimitWindow(findDesign(name), windowMs).rateLimit;

describe('a design with another window', () => {
  it('keeps every limit of an exact design', () => {
    const { rateLimit } = findDesign('turn2.after');
    expect(scaled('turn2.after', 2_000)).toEqual({ ...rateLimit, windowMs: 2_000 });
  });

  it('keeps the proportion of buckets', () => {
    // 60 s become 2 s, a thirtieth; so do 1,000 ms.
    expect(scaled('turn5.sample', 2_000)).toMatchObject({
      user: [
        { capacity: 100, refillMs: 2_000 },
        { capacity: 10, refillMs: 33 },
      ],
    });
  });

  it.each(['turn2.before', 'turn2.after'])('is %s itself for a window of 0', (name) => {
    expect(withLimitWindow(findDesign(name), 0)).toBe(findDesign(name));
  });

  it('changes nothing where nothing is limited', () => {
    expect(scaled('turn2.before', 2_000)).toEqual({ kind: 'off' });
  });
});
