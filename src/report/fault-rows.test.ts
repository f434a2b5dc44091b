import { describe, expect, it } from 'vitest';
import type { FaultSummary, RecoveryResult, Result } from '../sim/result.ts';
import { renderConsole } from './console.ts';
import { faultRows } from './fault-rows.ts';
import { turn1Result } from './fixtures/turn1-result.ts';
import { renderHtml } from './html.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { namedArms } from './rows.ts';

const TIMES = 200;
/** Two hundred kills of two kinds, one second apart; the last one of each kind is never over. */
function killed(result: Result): Result {
  const after = result.arms.after!;
  const faults = Array.from({ length: TIMES }, (_, index): FaultSummary => {
    const family = index % 2 === 0 ? 'gateway-kill' : 'redis-kill';
    const startUs = 1_000_000 * (index + 1);
    return {
      ...{ name: `${family}#${(index >> 1) + 1}`, family, startUs, endUs: startUs + 400_000 },
      ...{ outcome: index < TIMES - 2 ? 'healed' : 'not healed', detail: `SIGKILL ${index}` },
    };
  });
  const recovery = faults.map(({ name }, index): RecoveryResult => {
    const recoverUs = index < TIMES - 2 ? 1_000 * (index + 1) : null;
    return { fault: name, detectUs: null, recoverUs, drainUs: 0, note: 'a note' };
  });
  return { ...result, arms: { ...result.arms, after: { ...after, faults, recovery } } };
}
const result = killed(turn1Result);
const console100 = renderConsole(result, { color: false, width: 100, folder: 'reports/x' });

describe('hundreds of faults', () => {
  it('are one row for each family, with how often, the median and the worst', () => {
    const arms = namedArms(result).filter(({ name }) => name === 'after');
    const rows = faultRows(arms);
    expect(rows.map(({ id }) => id)).toEqual(['gateway-kill', 'redis-kill']);
    expect(rows[0]!.cells[0]).toMatchObject({
      ...{ ending: '99 of 100 healed', outcome: 'not healed', startUs: 1_000_000 },
      detail: 'gateway-kill#100: SIGKILL 198',
    });
    expect(rows[0]!.cells[0]!.recovery).toBe(
      'detected never, back in tolerance 99 of 100 (median 99 ms; worst 197 ms), drained 100 of 100 (median at once; worst at once)',
    );
  });

  it.each([
    ['html', renderHtml(result)],
    ['markdown', renderMarkdown(result)],
    ['junit', renderJunit(result)],
  ])('do not flood %s', (_, text) => {
    expect(text).toContain('99 of 100 healed');
    expect(text.split('gateway-kill').length).toBeLessThan(40);
  });

  it('are counted on the console', () => {
    expect(console100.replace(/\s+/g, ' ')).toContain(
      'never back in tolerance after 1 gateway-kill, 1 redis-kill',
    );
    expect(console100).not.toContain('#');
  });
});
