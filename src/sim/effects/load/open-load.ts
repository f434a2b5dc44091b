/** A planned load, open or a sweep: on each wake, starts everything that is due, whatever became of the earlier. */
import { openSchedule, sweepSchedule } from '../../pure/schedule.ts';
import type { OpenWorkload, SweepWorkload } from '../../pure/workload.ts';
import { Alarm } from './alarm.ts';
import type { Load, LoadOptions } from './load.ts';

/** After a stall of the generator itself, lets answers be read between handfuls of late arrivals. */
const MAX_PER_WAKE = 500;

/**
 * Above some 300 arrivals a second one wake sends all that fell due in this time. Waking for each one costs more
 * than sending it: at 2,000/s 53 us of CPU a request against 39 us (bench/sender.mjs), for a lag below 4 ms.
 */
const WAKE_EVERY_MS = 3;

export function startOpenLoad(workload: OpenWorkload | SweepWorkload, options: LoadOptions): Load {
  const { clock, start, startUs, seed, targets } = options;
  const accounts = workload.kind === 'sweep' ? options.swept : options.accounts;
  const schedule =
    workload.kind === 'sweep'
      ? sweepSchedule(workload, seed, accounts, targets)
      : openSchedule(workload, seed, accounts, targets);
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
      const { atUs, account, template, target } = next.value;
      if (startUs + atUs > nowUs) return;
      const round = workload.kind === 'sweep' ? 0 : Math.floor(planned / Math.max(1, accounts));
      const position = account + round * accounts;
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

function ignore(): void {}
