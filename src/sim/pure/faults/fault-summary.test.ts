import { expect, it } from 'vitest';
import type { FaultRecord } from '../../history.ts';
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

it('includes a planned fault that was never applied', () => {
  expect(faultSummaries([], ['a'], span)).toMatchObject([{ name: 'a', outcome: 'missed' }]);
});
