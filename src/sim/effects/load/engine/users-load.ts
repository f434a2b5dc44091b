/**
 * Closed workload: each user thinks, sends, waits for the answer and thinks again. The scheduled instant is
 * the end of the thinking. A user who leaves finishes the request he has sent; a new one arrives in
 * mid-thought, so a growing population does not arrive as a wave.
 */
import { type UserStep, userPlan } from '../../../pure/schedule.ts';
import type { UsersWorkload } from '../../../pure/workload.ts';
import { Alarm } from './alarm.ts';
import { DueHeap } from './due-heap.ts';
import type { Load, LoadOptions } from './load.ts';

interface User {
  readonly account: number;
  readonly plan: Generator<UserStep, never>;
  step: UserStep | null;
  leaving: boolean;
}

export function startUsersLoad(workload: UsersWorkload, options: LoadOptions): Load {
  const { clock, start, startUs, seed, accounts, targets } = options;
  const endUs = startUs + workload.durationMs * 1000;
  const thinking = new DueHeap<User>();
  const present: User[] = [];
  let joined = 0;
  let planned = 0;
  let stopped = false;

  const think = (user: User, fromUs: number) => {
    if (user.leaving || stopped) return;
    user.step = user.plan.next().value;
    thinking.push(fromUs + user.step.thinkUs, user);
  };
  const join = (fromUs: number) => {
    // The file's order is the scenario's choice of who is in a small population, for instance heavy users first.
    const account = accounts === 0 ? -1 : present.length % accounts;
    const plan = userPlan(workload, seed, joined, targets);
    const user: User = { account, plan, step: null, leaving: false };
    joined += 1;
    present.push(user);
    think(user, fromUs);
  };
  const setAlarm = () => alarm.set(Math.min(thinking.nextUs, endUs));

  const startDue = () => {
    const nowUs = clock();
    while (thinking.nextUs <= nowUs && thinking.nextUs < endUs) {
      const scheduledUs = thinking.nextUs;
      const user = thinking.pop()!;
      if (user.leaving) continue;
      planned += 1;
      const onDone = (doneUs: number) => {
        const wasNextUs = thinking.nextUs;
        think(user, doneUs);
        // Only a new earliest instant moves the alarm; most do not.
        if (thinking.nextUs < wasNextUs) setAlarm();
      };
      const { template, target } = user.step!;
      start({ scheduledUs, position: user.account, template, target, onDone });
    }
  };
  const alarm = new Alarm(clock, () => {
    startDue();
    if (clock() < endUs) {
      setAlarm();
      return;
    }
    stopped = true;
    options.onExhausted();
  });

  for (let count = 0; count < workload.users; count += 1) join(startUs);
  setAlarm();
  return {
    templates: workload.operations,
    get planned() {
      return planned;
    },
    stop() {
      alarm.clear();
      stopped = true;
    },
    setUsers(count) {
      const nowUs = Math.max(startUs, clock());
      for (const user of present.splice(count)) user.leaving = true;
      while (present.length < count) join(nowUs);
      setAlarm();
    },
  };
}
