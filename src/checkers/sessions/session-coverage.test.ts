import { describe, expect, it } from 'vitest';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { measureSessionCoverage } from './session-coverage.ts';
import type { SessionEvent } from './session-event.ts';

const targets = ['a', 'b'];
let id = 0;
function event(
  kind: SessionEvent['kind'],
  subject: string,
  atUs: number,
  target = 'a',
): SessionEvent {
  id += 1;
  const status = kind === 'refused' ? 401 : 200;
  const outcome = kind === 'refused' ? 'fail' : 'ok';
  const stamps = { scheduledUs: atUs, sentUs: atUs, doneUs: atUs + 1 };
  return { kind, subject, operation: operation(id, { ...stamps, status, outcome, target }) };
}
const complete = [
  event('revoke', 'ended', 10),
  event('accepted', 'live', 20),
  event('refused', 'ended', 100, 'a'),
  event('refused', 'ended', 101, 'b'),
  event('accepted', 'live', 102),
];
const measure = (events: readonly SessionEvent[]) =>
  measureSessionCoverage({ events, fromUs: 90, targets });

describe('measureSessionCoverage', () => {
  it('has no gap when every ended session is refused everywhere and every live one accepted', () => {
    expect(measure(complete)).toEqual({ ended: 1, refused: 1, live: 1, accepted: 1, gap: null });
  });

  it('has a gap when one process was not probed, or gave no definite answer', () => {
    expect(measure(complete.filter(({ operation: o }) => o.target !== 'b')).gap).toMatch(
      /1 of 1 ended/,
    );
    expect(measure(complete.slice(0, -1)).gap).toMatch(/1 of 1 live/);
  });

  it('ignores answers from before the final sweep', () => {
    const early = complete.map((one) =>
      one.operation.sentUs > 90 ? { ...one, operation: { ...one.operation, sentUs: 50 } } : one,
    );
    expect(measure(early).gap).not.toBeNull();
  });

  it('counts a session that ended by itself before, and none that ends during the sweep', () => {
    const at = (toUs: number) => {
      const expiries = [{ subject: 'live', fromUs: toUs - 10, toUs }];
      return measureSessionCoverage({ events: complete, expiries, fromUs: 90, targets });
    };
    expect(at(50)).toMatchObject({ ended: 2, refused: 1, live: 0 });
    expect(at(100)).toMatchObject({ ended: 1, refused: 1, live: 0 });
  });

  it('has a gap when no session ended, or none is live', () => {
    expect(measure(complete.filter(({ subject }) => subject === 'live')).gap).toMatch(/no ended/);
    expect(measure(complete.filter(({ subject }) => subject === 'ended')).gap).toMatch(/no live/);
  });
});
