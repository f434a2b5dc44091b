import { describe, expect, it } from 'vitest';
import { designs, findDesign } from './lineage.ts';

describe('designs', () => {
  it('have unique names that say their turn', () => {
    expect(new Set(designs.map(({ name }) => name)).size).toBe(designs.length);
    for (const { name, turn } of designs) expect(name).toMatch(new RegExp(`^turn${turn}\\.`));
  });

  it('are listed turn by turn', () => {
    const turns = designs.map(({ turn }) => turn);
    expect(turns).toEqual([...turns].sort((a, b) => a - b));
  });

  it('keep the limiter that an earlier turn decided on', () => {
    const limits = (name: string) => findDesign(name).rateLimit;
    for (const name of ['turn4.before', 'turn4.after', 'turn5.before'])
      expect(limits(name)).toEqual(limits('turn2.after'));
    expect(limits('turn5.after')).toEqual({
      ...limits('turn2.after'),
      keys: 'own',
      sharing: 'max-min',
    });
  });

  it('survive a process boundary: plain data', () => {
    for (const design of designs) expect(JSON.parse(JSON.stringify(design))).toEqual(design);
  });

  it('names the known ones when asked for another', () => {
    expect(() => findDesign('turn4.middle')).toThrow("'turn4.middle'; known designs: turn1.before");
  });
});

it('counts logins in windows no longer than the others: a Redis that forgot is waited for as long as those', () => {
  for (const { name, rateLimit } of designs) {
    if (rateLimit.kind !== 'exact') continue;
    expect([name, rateLimit.anonymous.windowMs]).toEqual([name, rateLimit.windowMs]);
  }
});
