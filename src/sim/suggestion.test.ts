import { describe, expect, it } from 'vitest';
import { suggestion } from './suggestion.ts';

const known = ['turn1', 'turn4', 'turn10', 'all'];

describe('suggestion', () => {
  it.each([
    ['trun4', 'turn4'],
    ['Turn4', 'turn4'],
    ['4', 'turn4'],
    ['turn-4', 'turn4'],
    ['turn 10', 'turn10'],
    ['t4', 'turn4'],
    ['tunr4', 'turn4'],
    ['al', 'all'],
  ])('%s means %s', (typed, meant) => expect(suggestion(typed, known)).toBe(meant));

  it.each(['', 'elephant', '99'])('is silent about "%s"', (typed) =>
    expect(suggestion(typed, known)).toBeNull(),
  );
});
