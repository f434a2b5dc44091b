import { expect, it } from 'vitest';
import { createWaste } from './waste.ts';

function planted() {
  let nowMs = 0;
  const waste = createWaste(() => nowMs);
  const passMinutes = (minutes: number) => {
    nowMs += minutes * 60_000;
  };
  return { waste, passMinutes };
}

it('is forgotten by half each minute, and added to what is left', () => {
  const { waste, passMinutes } = planted();
  waste.add('one', 8);
  passMinutes(2);
  expect(waste.of('one')).toBe(2);
  waste.add('one', 1);
  passMinutes(1);
  expect(waste.of('one')).toBe(1.5);
  expect(waste.of('other')).toBe(0);
});

it('is never below 0, whatever is given back', () => {
  const { waste } = planted();
  waste.add('one', 1);
  waste.add('one', -3);
  expect(waste.of('one')).toBe(0);
  waste.add('one', 2);
  expect(waste.of('one')).toBe(2);
});

it('is kept for ten thousand addresses: beyond them, not for the one whose work is the longest ago', () => {
  const { waste } = planted();
  waste.add('first', 1);
  waste.add('second', 1);
  waste.add('first', 1);
  for (let i = 2; i < 10_000; i += 1) waste.add(`more ${i}`, 1);
  expect([waste.of('first'), waste.of('second')]).toEqual([2, 1]);
  waste.add('last', 1);
  expect([waste.of('first'), waste.of('second'), waste.of('last')]).toEqual([2, 0, 1]);
});
