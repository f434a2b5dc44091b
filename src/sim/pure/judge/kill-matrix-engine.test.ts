/** Defects of the engine itself, planted in recorded histories: the run must say that it proves nothing. */
import { expect, it } from 'vitest';
import type { OperationRecord } from '../../history.ts';
import { faultSummaries } from '../faults/fault-summary.ts';
import { type KillResult, killMatrixText, type PlantedDefect } from '../fixtures/planted-defect.ts';
import { CALM, type RecordedHistory, recordedHistory } from '../fixtures/recorded-history.ts';
import { createRandom } from '../random.ts';
import { validityChecks } from './validity.ts';

interface EngineDefect extends PlantedDefect {
  plant(history: RecordedHistory, seed: number): RecordedHistory;
}

type Edit = (record: OperationRecord) => OperationRecord | readonly OperationRecord[];
const records = (edit: Edit) => (history: RecordedHistory) => ({
  ...history,
  attempts: history.attempts.flatMap(edit),
});
const is = (
  condition: boolean,
  edited: OperationRecord | readonly OperationRecord[],
  otherwise: OperationRecord,
) => (condition ? edited : otherwise);
/** One record in a hundred, drawn from the seed. */
const some = (seed: number) => {
  const random = createRandom(seed).fork('defect');
  return () => random.next() < 0.01;
};

const defects: readonly EngineDefect[] = [
  {
    id: 'dropped-lines',
    what: '1 % of the lines are missing from the history',
    caughtBy: 'little',
    plant: (history, seed) => {
      const drawn = some(seed);
      return records((one) => is(drawn(), [], one))(history);
    },
  },
  {
    id: 'survivors-only',
    what: 'arrivals that never left are not recorded',
    caughtBy: 'all-arrivals',
    plant: records((one) => is(one.sentUs < 0 && one.retryOf === undefined, [], one)),
  },
  {
    id: 'doubled-record',
    what: '1 % of the records are written twice',
    caughtBy: 'attempts',
    plant: (history, seed) => {
      const drawn = some(seed);
      return records((one) => is(drawn(), [one, one], one))(history);
    },
  },
  {
    id: 'lost-and-doubled',
    what: 'one record is lost and another written twice, so that the count is right',
    caughtBy: 'little',
    plant: (history) => {
      const [first, second] = history.attempts.filter(
        ({ id }) => !history.attempts.some(({ retryOf }) => retryOf === id),
      );
      return records((one) => (one === first ? [] : is(one === second, [one, one], one)))(history);
    },
  },
  {
    id: 'wrong-clock',
    what: 'one process is stamped by a clock that is 3 ms ahead',
    caughtBy: 'little',
    plant: records((one) => {
      const { scheduledUs, sentUs, doneUs } = one;
      const ahead = { scheduledUs: scheduledUs + 3_000, doneUs: doneUs + 3_000 };
      const shifted = { ...one, ...ahead, sentUs: sentUs < 0 ? sentUs : sentUs + 3_000 };
      return is(one.target === 'gateway.2', shifted, one);
    }),
  },
  {
    id: 'latency-from-send',
    what: 'the wait before the send is left out of the latency',
    caughtBy: 'little',
    plant: records((one) => is(one.sentUs >= 0, { ...one, scheduledUs: one.sentUs }, one)),
  },
  {
    id: 'moved-schedule',
    what: 'one attempt is due a microsecond later and another as much earlier, so that every sum is right',
    caughtBy: 'schedule',
    plant: (history) => {
      const [first, second] = history.attempts.filter(({ sentUs }) => sentUs > 0);
      const byUs = new Map([
        [first, 1],
        [second, -1],
      ]);
      return records((one) => ({ ...one, scheduledUs: one.scheduledUs + (byUs.get(one) ?? 0) }))(
        history,
      );
    },
  },
  {
    id: 'renamed-operation',
    what: 'slow attempts are recorded under the name of another operation',
    caughtBy: 'schedule',
    plant: records((one) => is(one.doneUs - one.scheduledUs > 20_000, { ...one, name: 'x' }, one)),
  },
  {
    id: 'stamp-after-answer',
    what: 'the send is stamped when the answer is there',
    caughtBy: 'clock',
    plant: records((one) => is(one.sentUs >= 0, { ...one, sentUs: one.doneUs + 1 }, one)),
  },
  {
    id: 'timeout-as-failure',
    what: 'a timeout after the send is recorded as "did not happen"',
    caughtBy: 'outcomes',
    plant: records((one) => is(one.error === 'timeout', { ...one, outcome: 'fail' }, one)),
  },
  {
    id: 'error-as-success',
    what: 'a 503 is recorded as ok',
    caughtBy: 'outcomes',
    plant: records((one) => is(one.status === 503, { ...one, outcome: 'ok' }, one)),
  },
  {
    id: 'hidden-retries',
    what: 'only the last attempt of a chain is recorded, as if it were the first',
    caughtBy: 'little',
    plant: (history) => {
      const last = new Map(history.attempts.map((one) => [one.retryOf ?? one.id, one]));
      return records((one) => {
        const { attempt: _, retryOf: __, ...alone } = one;
        return last.get(one.retryOf ?? one.id) === one ? alone : [];
      })(history);
    },
  },
  {
    id: 'lost-first-attempt',
    what: 'retries are recorded, what they repeat is not',
    caughtBy: 'attempts',
    plant: (history) => {
      const retried = new Set(history.attempts.map(({ retryOf }) => retryOf));
      return records((one) => is(retried.has(one.id), [], one))(history);
    },
  },
  {
    id: 'fault-that-missed',
    what: 'a fault was applied and had no effect',
    caughtBy: 'faults',
    plant: (history) => ({
      ...history,
      faults: history.faults.filter(
        ({ name, event }) => name !== 'redis-kill' || event !== 'landed',
      ),
    }),
  },
  {
    id: 'half-a-fault',
    what: 'a fault was seen to land, and bytes were forwarded while it held',
    caughtBy: 'faults',
    plant: (history) => ({
      ...history,
      faults: history.faults.map((record) =>
        record.name === 'redis-kill' && record.event === 'landed'
          ? { ...record, evidence: [{ what: 'bytes forwarded', value: 812, atMost: 0 }] }
          : record,
      ),
    }),
  },
  {
    id: 'unnoticed-fault',
    what: 'a fault held, and the service noticed nothing',
    caughtBy: 'faults',
    plant: (history) => ({
      ...history,
      faults: history.faults.map((record) =>
        record.name === 'redis-kill' && record.event === 'healed'
          ? { ...record, evidence: [{ what: 'increase of fallbacks', value: 0, atLeast: 1 }] }
          : record,
      ),
    }),
  },
  {
    id: 'forgotten-fault',
    what: 'the moment of a fault never came, and nothing of it is recorded',
    caughtBy: 'faults',
    plant: (history) => ({
      ...history,
      faults: history.faults.filter(({ name }) => name !== 'redis-kill'),
    }),
  },
  {
    id: 'fault-that-stayed',
    what: 'a fault was undone without proof, and may have gone on',
    caughtBy: 'faults',
    plant: (history) => ({
      ...history,
      faults: history.faults.filter(
        ({ name, event }) => name !== 'postgres-kill' || event !== 'healed',
      ),
    }),
  },
  {
    id: 'late-generator',
    what: 'the generator stalled and sent everything 50 ms late',
    caughtBy: 'send-lag',
    plant: records((one) => {
      const late = { sentUs: one.sentUs + 50_000, doneUs: one.doneUs + 50_000 };
      return is(one.sentUs >= 0, { ...one, ...late }, one);
    }),
  },
];

function failedChecks({ attempts, faults, totals }: RecordedHistory): string[] {
  const checks = validityChecks(
    {
      lagLimitUs: 20_000,
      culprit: null,
      observed: { ...CALM, totals },
    },
    {
      attempts,
      judged: attempts,
      faults: faultSummaries(faults, ['redis-kill', 'postgres-kill'], { startUs: 0, endUs: 1 }),
    },
  );
  return checks.filter(({ ok }) => !ok).map(({ id }) => id);
}

const seeds = [1, 2, 3, 4, 5];

it('has nothing against a history that is right', () => {
  for (const seed of seeds) expect(failedChecks(recordedHistory(seed))).toEqual([]);
});

it('catches every planted defect of the engine, by the check that is there for it', () => {
  const results = defects.map(
    ({ plant, ...defect }): KillResult => ({
      ...defect,
      caught: seeds.every((seed) =>
        failedChecks(plant(recordedHistory(seed), seed)).includes(defect.caughtBy),
      ),
    }),
  );
  console.log(killMatrixText('engine', results));
  expect(results.filter(({ caught }) => !caught)).toEqual([]);
});
