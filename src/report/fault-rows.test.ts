import { describe, expect, it } from 'vitest';
import type { FaultSummary, RecoveryResult, Result } from '../sim/result.ts';
import { renderConsole } from './console.ts';
import { faultRows } from './fault-rows.ts';
import { turn1Result } from './fixtures/turn1-result.ts';
import { renderHtml } from './html/page.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { namedArms } from './rows.ts';
import { formatFaults, formatRecovery } from './wording.ts';

const TIMES = 200;
/** Two hundred kills of two kinds, one second apart; the last one of each kind is never over. */
function killed(result: Result): Result {
  const after = result.arms.after!;
  const faults = Array.from({ length: TIMES }, (_, index): FaultSummary => {
    const family = index % 2 === 0 ? 'gateway-kill' : 'redis-kill';
    const startUs = 1_000_000 * (index + 1);
    return {
      name: `${family}#${(index >> 1) + 1}`,
      family,
      startUs,
      endUs: startUs + 400_000,
      outcome: index < TIMES - 2 ? 'healed' : 'not healed',
      detail: `SIGKILL ${index}`,
    };
  });
  const recovery = faults.map(({ name }, index): RecoveryResult => {
    const recoverUs = index < TIMES - 2 ? 1_000 * (index + 1) : null;
    return { fault: name, detectUs: null, recoverUs, drainUs: 0, note: 'a note' };
  });
  return { ...result, arms: { ...result.arms, after: { ...after, faults, recovery } } };
}
const result = killed(turn1Result);
const console100 = renderConsole(result, { colorText: null, width: 100, folder: 'reports/x' });

describe('hundreds of faults', () => {
  it('are one row for each family, with count, median and worst', () => {
    const arms = namedArms(result).filter(({ name }) => name === 'after');
    const rows = faultRows(arms);
    expect(rows.map(({ id }) => id)).toEqual(['gateway-kill', 'redis-kill']);
    expect(rows[0]!.cells[0]).toMatchObject({
      ending: '99 of 100 healed',
      outcome: 'not healed',
      startUs: 1_000_000,
      detail: 'gateway-kill#100: SIGKILL 198',
    });
    expect(rows[0]!.cells[0]!.recovery).toBe(
      'never detected, back in tolerance 99 of 100 (median 99 ms; worst 197 ms), drained 100 of 100 (median at once; worst at once)',
    );
  });

  it('tell a recovery cut short by the next fault from one that never came', () => {
    const after = result.arms.after!;
    const overtaken = (recovery: RecoveryResult, index: number): RecoveryResult => ({
      ...recovery,
      watchedUs: 900_000 + 1_000 * index,
      drainUs: index < 4 ? 0 : null,
      ...(index < TIMES - 1 && { next: 'the next one' }),
      ...(index >= 100 && { recoverUs: null }),
    });
    const arm = { ...after, recovery: after.recovery.map(overtaken) };
    const [kills, redis] = faultRows([{ name: 'after', arm }]).map(({ cells }) => cells[0]!);
    expect(kills!.recovery).toBe(
      'never detected, back in tolerance 50 of 100 (median 49 ms; worst 99 ms; 50 not shown before the next fault 1.0 s to 1.1 s later), drained 2 of 100 (median at once; worst at once; 98 not shown before the next fault 904 ms to 1.1 s later)',
    );
    expect(redis!.recovery).toContain('1.1 s later; 1 never), drained 2 of 100');
    const none = arm.recovery.map((one) => ({ ...one, recoverUs: null }));
    const [all] = faultRows([{ name: 'after', arm: { ...arm, recovery: none } }]);
    expect(all!.cells[0]!.recovery).toContain(
      'back in tolerance not shown before the next fault 900 ms to 1.1 s later, drained',
    );
    const only = { ...arm.recovery[150]!, drainUs: 0 };
    expect(formatRecovery(only)).toBe(
      'never detected, back in tolerance not shown before the next fault 1.1 s later, drained at once',
    );
    expect(formatFaults({ name: 'after', arm })).toBe(
      'after 198 of 200 healed, never back in tolerance after 1 redis-kill, recovery of 99 not shown before the next fault',
    );
    const known = { ...arm, recovery: arm.recovery.slice(0, 120) };
    expect(formatFaults({ name: 'after', arm: known })).toContain(
      ', slowest back in tolerance after 100 ms (redis-kill#50), recovery of 20 not shown before',
    );
  });

  it('are shown alone when the family has only one', () => {
    const { faults, recovery, ...rest } = result.arms.after!;
    const arm = { ...rest, faults: faults.slice(0, 1), recovery: recovery.slice(0, 1) };
    expect(faultRows([{ name: 'after', arm }])[0]).toMatchObject({
      id: 'gateway-kill',
      cells: [
        {
          ending: 'healed',
          detail: 'SIGKILL 0',
          recovery: 'never detected, back in tolerance after 1.0 ms, drained at once',
        },
      ],
    });
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
