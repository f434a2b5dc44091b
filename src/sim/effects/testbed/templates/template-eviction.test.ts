import { describe, expect, it } from 'vitest';
import {
  IN_USE_MS,
  MAX_TEMPLATE_BYTES,
  MAX_TEMPLATES,
  templatesToRemove,
} from './template-eviction.ts';

const NOW_MS = 1_000 * IN_USE_MS;
/** `ages`: how many times IN_USE_MS ago each was used. */
const used = (ages: readonly number[], sizeBytes = 1) =>
  ages.map((age) => ({ age, sizeBytes, usedAtMs: NOW_MS - age * IN_USE_MS }));
const removedOf = (ages: readonly number[], sizeBytes?: number) =>
  templatesToRemove(used(ages, sizeBytes), NOW_MS).map(({ age }) => age);
const old = (count: number) => Array.from({ length: count }, (_, index) => index + 2);

describe('the templates that are kept', () => {
  it('are all that fit, in any order of their use', () => {
    expect(removedOf(old(MAX_TEMPLATES))).toEqual([]);
    expect(removedOf(old(4), MAX_TEMPLATE_BYTES / 4)).toEqual([]);
  });

  it('leave the least recently used, one for one', () => {
    expect(removedOf(old(MAX_TEMPLATES + 2).toReversed())).toEqual([
      MAX_TEMPLATES + 3,
      MAX_TEMPLATES + 2,
    ]);
    expect(removedOf(old(5), MAX_TEMPLATE_BYTES / 4)).toEqual([6]);
  });

  it('are those in use, whatever their number and size', () => {
    expect(removedOf(Array(MAX_TEMPLATES + 5).fill(0.5))).toEqual([]);
    expect(removedOf([0, 0.5, 3, 4], MAX_TEMPLATE_BYTES)).toEqual([4, 3]);
  });
});
