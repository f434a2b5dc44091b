import { expect, it } from 'vitest';
import type { FaultEvidence, FaultRecord } from '../../history.ts';
import { faultSummaries } from './fault-summary.ts';

const span = { startUs: 0, endUs: 90 };
const fault = (name: string, event: FaultRecord['event'], atUs: number): FaultRecord => ({
  kind: 'fault',
  name,
  event,
  atUs,
  detail: `${event} ${name}`,
});

it('spans from landing to the proven undo', () => {
  const records = [fault('a', 'apply', 10), fault('a', 'landed', 12), fault('a', 'undo', 30)];
  expect(faultSummaries([...records, fault('a', 'healed', 33)], [], span)).toEqual([
    { name: 'a', startUs: 12, endUs: 33, outcome: 'healed', detail: 'landed a' },
  ]);
});

it('marks faults that never landed or were never proven undone', () => {
  const missed = [fault('a', 'apply', 10), fault('a', 'undo', 30), fault('a', 'healed', 31)];
  const stuck = [fault('b', 'apply', 40), fault('b', 'landed', 41)];
  expect(faultSummaries([...missed, ...stuck], [], span)).toMatchObject([
    { name: 'a', outcome: 'missed' },
    { name: 'b', outcome: 'not healed', endUs: 90 },
  ]);
});

it('misses a fault that what was measured while it held contradicts, and says why', () => {
  const whole = (['apply', 'landed', 'undo', 'healed'] as const).map((event, at) =>
    fault('a', event, 10 * at),
  );
  const measured = (...evidence: readonly FaultEvidence[]): FaultRecord => ({
    kind: 'fault',
    name: 'a',
    event: 'measured',
    atUs: 15,
    evidence,
  });
  const what = 'bytes forwarded by gateway.1->redis';
  const summary = (...evidence: readonly FaultEvidence[]) =>
    faultSummaries([...whole, measured(...evidence)], [], span)[0]!;
  expect(summary({ what, value: 0, atMost: 0 })).toMatchObject({
    outcome: 'healed',
    detail: `landed a; ${what}: 0`,
  });
  expect(summary({ what, value: 812, atMost: 0 }, { what: 'b', value: 1 })).toMatchObject({
    outcome: 'missed',
    detail: `landed a; contradicted: ${what}: 812, expected at most 0`,
  });
  expect(summary({ what, value: null, atMost: 0 })).toMatchObject({ outcome: 'missed' });
  expect(summary({ what, value: 2, atLeast: 3, atMost: 3 }).detail).toContain(
    '2, expected exactly 3',
  );
});

it('includes a planned fault that was never applied', () => {
  expect(faultSummaries([], ['a'], span)).toMatchObject([{ name: 'a', outcome: 'missed' }]);
});
