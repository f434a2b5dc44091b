import { describe, expect, it } from 'vitest';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { checkSessions } from './check-sessions.ts';
import { absoluteExpiries, idleExpiries, type SessionUse } from './expiries.ts';
import type { SessionEvent } from './session-event.ts';

const rules = { idleUs: 1_000, writtenEveryUs: 0, writtenWithinUs: 0, toleranceUs: 10 };
const life = { subject: 's', endsUs: null, usedUs: 0 };
const use = (sentUs: number, isCertain = true): SessionUse => ({
  subject: 's',
  sentUs,
  doneUs: sentUs + 5,
  isCertain,
});

describe('the idle end', () => {
  const endOf = (uses: readonly SessionUse[], more = {}) => {
    const [end] = idleExpiries([life], uses, { ...rules, ...more });
    return [end!.fromUs, end!.toUs];
  };

  it('comes after the timeout without a use, and moves with every use before it', () => {
    expect(endOf([])).toEqual([990, 1_010]);
    expect(endOf([use(400)])).toEqual([1_390, 1_415]);
    expect(endOf([use(1_200), use(400)])).toEqual([2_190, 2_215]);
    expect(endOf([use(400), use(1_380)], { writtenWithinUs: 100 })).toEqual([1_390, 2_395]);
  });

  it('has come when a later use is sent: that use does not move it', () => {
    expect(endOf([use(1_020)])).toEqual([990, 1_010]);
    expect(endOf([use(400), use(3_000)])).toEqual([1_390, 1_415]);
  });

  it('may come earlier by how seldom a use is written down', () => {
    expect(endOf([use(400)], { writtenEveryUs: 300 })).toEqual([1_090, 1_415]);
    // Not earlier than without the use.
    expect(endOf([use(100)], { writtenEveryUs: 300 })).toEqual([990, 1_115]);
  });

  it('may be moved by a use without an answer', () => {
    const [fromUs, toUs] = endOf([use(400, false)]);
    expect(fromUs).toBe(990);
    expect(toUs).toBeGreaterThan(10_000_000);
  });

  it('is not known for a session whose last use is not known', () => {
    expect(idleExpiries([{ ...life, usedUs: null }], [use(5)], rules)).toEqual([]);
  });
});

describe('the absolute end', () => {
  it('is where it was, whatever is used', () => {
    expect(absoluteExpiries([{ ...life, endsUs: 500 }, life], rules)).toEqual([
      { subject: 's', fromUs: 490, toUs: 510 },
    ]);
  });

  it('is the end of a session: later uses must be refused, earlier ones must not', () => {
    const expiries = absoluteExpiries([{ ...life, endsUs: 500 }], rules);
    const event = (kind: SessionEvent['kind'], sentUs: number): SessionEvent => {
      const refused = kind === 'refused' ? ({ outcome: 'fail', status: 401 } as const) : {};
      const stamps = { scheduledUs: sentUs, sentUs, doneUs: sentUs + 5 };
      return { kind, subject: 's', operation: operation(sentUs, { ...stamps, ...refused }) };
    };
    const judge = (...events: readonly SessionEvent[]) => {
      const mustHaveSeen = { targets: [], afterRevoke: 0, live: 0 };
      const { acceptedLate, lost } = checkSessions({ events, expiries, mustHaveSeen });
      return [acceptedLate, lost];
    };
    expect(judge(event('accepted', 480), event('refused', 520))).toEqual([0, 0]);
    expect(judge(event('accepted', 505), event('refused', 495))).toEqual([1, 0]);
    expect(judge(event('accepted', 508))).toEqual([0, 0]);
    expect(judge(event('accepted', 511))).toEqual([1, 0]);
    expect(judge(event('refused', 480))).toEqual([0, 1]);
  });
});
