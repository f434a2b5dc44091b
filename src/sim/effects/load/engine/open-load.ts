/** A planned load, open, a mix or a sweep: on each wake, starts everything that is due, whatever became of the earlier. */
import { mixSchedule, openSchedule, sweepSchedule } from '../../../pure/schedule.ts';
import type { PlannedOperation, UsersWorkload, Workload } from '../../../pure/workload.ts';
import { Alarm } from './alarm.ts';
import type { Load, LoadOptions } from './load.ts';

/** After a stall of the generator itself, lets answers be read between handfuls of late arrivals. */
const MAX_PER_WAKE = 500;

/**
 * Above some 300 arrivals a second one wake sends all that fell due in this time. Waking for each one costs more
 * than sending it: at 2,000/s 53 us of CPU a request against 39 us (bench/sender.mjs), for a lag below 4 ms.
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
    else alarm.set(startUs + next.value.atUs);
  };
  const alarm = new Alarm(clock, onDue, WAKE_EVERY_MS);

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

  alarm.set(next.done ? startUs : startUs + next.value.atUs);
  return {
    templates: workload.operations,
    get planned() {
      return planned;
    },
    stop() {
      alarm.clear();
      startDue(Number.POSITIVE_INFINITY);
    },
    setUsers() {
      throw new Error('an open workload has no users to change');
    },
  };
}

function scheduleOf(
  workload: PlannedWorkload,
  { seed, accounts, swept, targets, groups }: LoadOptions,
): Generator<PlannedOperation, void> {
  switch (workload.kind) {
    case 'open':
      return openSchedule(workload, seed, accounts, targets, groups);
    case 'mix':
      return mixSchedule(workload, seed, accounts, targets, groups);
    case 'sweep':
      return sweepSchedule(workload, seed, swept, targets);
    default:
      return workload satisfies never;
  }
}

function ignore(): void {}
