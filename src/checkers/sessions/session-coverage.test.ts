import { describe, expect, it } from 'vitest';
import { operation } from '../../sim/pure/fixtures.ts';
import { sessionCoverage } from './session-coverage.ts';
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
const right = [
  event('revoke', 'ended', 10),
  event('accepted', 'live', 20),
  event('refused', 'ended', 100, 'a'),
  event('refused', 'ended', 101, 'b'),
  event('accepted', 'live', 102),
];
const look = (events: readonly SessionEvent[]) => sessionCoverage({ events, fromUs: 90, targets });

describe('sessionCoverage', () => {
  it('is whole when every ended session is refused everywhere and every live one accepted', () => {
    expect(look(right)).toEqual({ ended: 1, refused: 1, live: 1, accepted: 1, gap: null });
  });

  it('has a gap when one process was not asked, or had no definite answer', () => {
    expect(look(right.filter(({ operation: o }) => o.target !== 'b')).gap).toMatch(/1 of 1 ended/);
    expect(look(right.slice(0, -1)).gap).toMatch(/1 of 1 live/);
  });

  it('does not take an earlier answer for the last look', () => {
    const early = right.map((one) =>
      one.operation.sentUs > 90 ? { ...one, operation: { ...one.operation, sentUs: 50 } } : one,
    );
    expect(look(early).gap).not.toBeNull();
  });

  it('has a gap when nobody ended, or nobody lives', () => {
    expect(look(right.filter(({ subject }) => subject === 'live')).gap).toMatch(/nobody/);
    expect(look(right.filter(({ subject }) => subject === 'ended')).gap).toMatch(/nobody/);
  });
});
