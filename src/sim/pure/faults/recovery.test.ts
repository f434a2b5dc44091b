import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OperationRecord, PhaseRecord } from '../../history.ts';
import type { FaultSummary } from '../../result.ts';
import { operation } from '../fixtures/records.ts';
import { type AlertEvent, alertInstants } from './burn-rate.ts';
import { RECOVERY_RULE, recoveries } from './recovery.ts';

const S = 1_000_000;
const alert = RECOVERY_RULE.alert;
const PER_SECOND = 200;
const STEP_US = S / PER_SECOND;

/** Constant arrivals for `seconds`; `at` says how the one scheduled then ends. */
function load(
  seconds: number,
  at: (us: number) => Partial<OperationRecord> | null,
): OperationRecord[] {
  return Array.from({ length: seconds * PER_SECOND }, (_, id) => {
    const us = id * STEP_US;
    const phase = us < 5 * S ? 'baseline' : 'fault';
    const times = { scheduledUs: us, sentUs: us + 10, doneUs: us + 2_000 };
    return operation(id, { phase, ...times, ...at(us) });
  });
}
const within = (us: number, from: number, to: number) => us >= from * S && us < to * S;
const failed = { outcome: 'unknown', status: 503 } as const;
const fault = (startS: number, endS: number, fields: Partial<FaultSummary> = {}): FaultSummary => ({
  name: 'redis-kill',
  startUs: startS * S,
  endUs: endS * S,
  outcome: 'healed',
  detail: '',
  ...fields,
});
const phases = (endS: number): PhaseRecord[] => [
  { kind: 'phase', name: 'baseline', startUs: 0, endUs: 5 * S, judged: true },
  { kind: 'phase', name: 'fault', startUs: 5 * S, endUs: endS * S, judged: true },
];
const recover = (operations: OperationRecord[], faults: FaultSummary[], endS: number) =>
  recoveries({ operations, faults, phases: phases(endS), baseline: 'baseline' });

describe('the burn-rate alert', () => {
  /** One event each 5 ms; from 20 s on a share `bad` of them fails, evenly spread. */
  const series = (bad: number): AlertEvent[] =>
    Array.from({ length: 40 * PER_SECOND }, (_, index) => {
      const atUs = index * STEP_US;
      const isBad = Math.floor(index * bad) > Math.floor((index - 1) * bad);
      return { atUs, isBad: atUs >= 20 * S && isBad };
    });

  it('fires after window x threshold x (1 - objective) / e, from clean', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.2, max: 1, noNaN: true }), (bad) => {
        const [firstUs] = alertInstants(series(bad), alert);
        const expectedUs = (alert.longUs * alert.threshold * (1 - alert.objective)) / bad;
        expect(Math.abs(firstUs! - 20 * S - expectedUs)).toBeLessThanOrEqual((3 * STEP_US) / bad);
      }),
    );
  });

  it('does not fire below its threshold, for a blip, or for one failure in a quiet moment', () => {
    expect(alertInstants(series(0.13), alert)).toEqual([]);
    const blip = series(0).map((event, index) => ({ ...event, isBad: index > 600 && index < 640 }));
    expect(alertInstants(blip, alert)).toEqual([]);
    expect(alertInstants([{ atUs: 0, isBad: true }], alert)).toEqual([]);
  });

  it('stops soon after the failures do, by its short window, and fires again', () => {
    const twice = series(0).map((event) => ({
      ...event,
      isBad: within(event.atUs, 10, 12) || within(event.atUs, 30, 32),
    }));
    expect(alertInstants(twice, alert)).toHaveLength(2);
  });
});

describe('recoveries', () => {
  it('measures an outage that ends with its fault', () => {
    const operations = load(20, (us) => (within(us, 8, 11) ? failed : null));
    const [found] = recover(operations, [fault(8, 11)], 20);
    // A total outage fires after 5 s x 14.4 x 0.01 = 0.72 s; the last tolerated failures end 30 ms early.
    expect(found!.detectUs).toBeGreaterThan(0.7 * S);
    expect(found!.detectUs).toBeLessThan(0.75 * S);
    expect(found!.recoverUs).toBeGreaterThan(2.96 * S);
    expect(found!.recoverUs).toBeLessThan(3.001 * S);
    expect(found!.drainUs).toBe(0);
    expect(found!.note).toContain('14.4 times the budget of 1 % bad, over 5 s and 0.42 s');
  });

  it('detects nothing when the fault had no effect on requests', () => {
    const [found] = recover(
      load(20, () => null),
      [fault(8, 11)],
      20,
    );
    expect(found).toMatchObject({ detectUs: null, recoverUs: 0, drainUs: 0 });
  });

  it('does not count a good interval between two bad ones as recovery', () => {
    const operations = load(20, (us) => (within(us, 8, 9) || within(us, 12, 14) ? failed : null));
    const { recoverUs } = recover(operations, [fault(8, 9)], 20)[0]!;
    expect(recoverUs).toBeGreaterThan(5.9 * S);
    expect(recoverUs).toBeLessThan(6.001 * S);
  });

  it('is null without recovery, or when too little time is left to prove it', () => {
    const never = load(20, (us) => (us >= 8 * S ? failed : null));
    expect(recover(never, [fault(8, 9)], 20)[0]!.recoverUs).toBeNull();
    const late = load(20, (us) => (within(us, 8, 19) ? failed : null));
    expect(recover(late, [fault(8, 9)], 20)[0]!.recoverUs).toBeNull();
  });

  it('tolerates a single failure near the end of the run', () => {
    const operations = load(20, (us) =>
      within(us, 8, 9) || us === 20 * S - STEP_US ? failed : null,
    );
    expect(recover(operations, [fault(8, 9)], 20)[0]!.recoverUs).toBeLessThan(1.001 * S);
  });

  it('observes a fault only until the next one begins', () => {
    const operations = load(24, (us) => (within(us, 8, 9) || within(us, 14, 20) ? failed : null));
    const faults = [fault(8, 9), fault(14, 15, { name: 'postgres-kill' })];
    const [first, second] = recover(operations, faults, 24);
    expect(first!.recoverUs).toBeLessThan(1.001 * S);
    expect(first).toMatchObject({ watchedUs: 6 * S, next: 'postgres-kill' });
    expect(second!.recoverUs).toBeGreaterThan(5.9 * S);
    expect(second).toMatchObject({ watchedUs: 10 * S });
    expect(second).not.toHaveProperty('next');
  });

  it('distinguishes an observation cut short by the next fault from no recovery', () => {
    const operations = load(20, (us) => (us >= 8 * S ? failed : null));
    // A fault that begins while this one goes on does not end the watch.
    const faults = [
      fault(8, 9),
      fault(8.5, 15, { name: 'other' }),
      fault(10, 11, { name: 'last' }),
    ];
    expect(recover(operations, faults, 20)).toMatchObject([
      { recoverUs: null, watchedUs: 2 * S, next: 'last' },
      { recoverUs: null, watchedUs: 11.5 * S },
      { recoverUs: null, watchedUs: 10 * S },
    ]);
  });

  it('counts answers much slower than the baseline as bad, and refusals as answers', () => {
    const slow = load(20, (us) => (within(us, 8, 10) ? { doneUs: us + 400_000 } : null));
    expect(recover(slow, [fault(8, 10)], 20)[0]!.recoverUs).toBeGreaterThan(1.9 * S);
    const refused = load(20, (us) => (within(us, 8, 10) ? { outcome: 'fail', status: 401 } : null));
    expect(recover(refused, [fault(8, 10)], 20)[0]).toMatchObject({ detectUs: null, recoverUs: 0 });
  });

  it('finds when the backlog was gone', () => {
    // Everything that arrives in 8 to 10 s is answered at 12 s.
    const operations = load(20, (us) => (within(us, 8, 10) ? { doneUs: 12 * S } : null));
    const [found] = recover(operations, [fault(8, 10)], 20);
    expect(found!.drainUs).toBe(2 * S);
    const stuck = load(20, (us) => (us >= 8 * S ? { doneUs: 60 * S } : null));
    expect(recover(stuck, [fault(8, 10)], 20)[0]!.drainUs).toBeNull();
  });

  it('gives null for a missed fault, and no drain time without a baseline', () => {
    const operations = load(20, () => null);
    expect(recover(operations, [fault(8, 9, { outcome: 'missed' })], 20)[0]).toMatchObject({
      detectUs: null,
      recoverUs: null,
      drainUs: null,
    });
    const input = { operations, faults: [fault(8, 9)], phases: phases(20), baseline: null };
    expect(recoveries(input)[0]).toMatchObject({ recoverUs: 0, drainUs: null });
    expect(recoveries({ ...input, operations: [] })[0]?.recoverUs).toBeNull();
  });

  it('never reports a recovery before the last second that was plainly broken', () => {
    const broken = fc.uniqueArray(fc.integer({ min: 8, max: 16 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(broken, (seconds) => {
        const operations = load(20, (us) => (seconds.includes(Math.floor(us / S)) ? failed : null));
        const { recoverUs } = recover(operations, [fault(8, 9)], 20)[0]!;
        const end = Math.max(...seconds) + 1;
        expect(recoverUs).toBeGreaterThan((end - 8) * S - 0.04 * S);
        expect(recoverUs).toBeLessThan((end - 8) * S + 1);
      }),
      { numRuns: 30 },
    );
  });
});
