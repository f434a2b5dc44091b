/** A load with a planned schedule (open, mix, sweep): each wake-up starts everything that is due, independent of answers. */
import { mixSchedule, openSchedule, sweepSchedule } from '../../../pure/load/schedule.ts';
import type { PlannedOperation, UsersWorkload, Workload } from '../../../pure/load/workload.ts';
import type { Load, LoadOptions } from './load.ts';
import { PrecisionTimer } from './precision-timer.ts';

/** After a stall of the generator, answers are read between batches of late arrivals. */
const MAX_PER_WAKE = 500;

/**
 * Above some 300 arrivals a second, one wake-up sends all arrivals of this time. A wake-up costs more than a send: at 2,000/s 53 us of CPU a request against 39 us (bench/sender.mjs), for a lag below 4 ms.
 */
const WAKE_EVERY_MS = 3;

type PlannedWorkload = Exclude<Workload, UsersWorkload>;

export function startOpenLoad(workload: PlannedWorkload, options: LoadOptions): Load {
  const { clock, start, startUs } = options;
  const schedule = scheduleOf(workload, options);
  let planned = 0;
  let next = schedule.next();
  const onDue = () => {
    startDue(MAX_PER_WAKE);
    if (next.done) options.onExhausted();
    else timer.set(startUs + next.value.atUs);
  };
  const timer = new PrecisionTimer(clock, onDue, WAKE_EVERY_MS);

  const startDue = (limit: number) => {
    const nowUs = clock();
    for (let count = 0; count < limit && !next.done; count += 1) {
      const { atUs, position, template, target } = next.value;
      if (startUs + atUs > nowUs) return;
      planned += 1;
      start({ scheduledUs: startUs + atUs, position, template, target, onDone: ignore });
      next = schedule.next();
    }
  };

  timer.set(next.done ? startUs : startUs + next.value.atUs);
  return {
    templates: workload.operations,
    get planned() {
      return planned;
    },
    stop() {
      timer.clear();
      startDue(Number.POSITIVE_INFINITY);
    },
    setUsers() {
      throw new Error('an open workload has no users to change');
    },
  };
}

function scheduleOf(
  workload: PlannedWorkload,
  { seed, accounts, sweptCredentials, targets, groups }: LoadOptions,
): Generator<PlannedOperation, void> {
  switch (workload.kind) {
    case 'open':
      return openSchedule(workload, seed, accounts, targets, groups);
    case 'mix':
      return mixSchedule(workload, seed, accounts, targets, groups);
    case 'sweep':
      return sweepSchedule(workload, seed, sweptCredentials, targets);
    default:
      return workload satisfies never;
  }
}

function ignore(): void {}
