/**
 * Closed workload: each user thinks, sends, waits for the answer and thinks again. The scheduled instant is the end of the
 * think time. A leaving user finishes the request in flight; a new user starts inside a think time, so that a growing
 * population does not arrive as a wave.
 */
import { type UserStep, userPlan } from '../../../pure/load/schedule.ts';
import type { UsersWorkload } from '../../../pure/load/workload.ts';
import { DueHeap } from './due-heap.ts';
import type { Load, LoadOptions } from './load.ts';
import { PrecisionTimer } from './precision-timer.ts';

interface User {
  readonly account: number;
  readonly plan: Generator<UserStep, never>;
  step: UserStep | null;
  isLeaving: boolean;
}

export function startUsersLoad(workload: UsersWorkload, options: LoadOptions): Load {
  const { clock, start, startUs, seed, accounts, targets } = options;
  const endUs = startUs + workload.durationMs * 1000;
  const thinking = new DueHeap<User>();
  const present: User[] = [];
  let joined = 0;
  let planned = 0;
  let isStopped = false;

  const think = (user: User, fromUs: number) => {
    if (user.isLeaving || isStopped) return;
    user.step = user.plan.next().value;
    thinking.push(fromUs + user.step.thinkUs, user);
  };
  const join = (fromUs: number) => {
    // The order in the accounts file decides who is in a small population, for instance heavy users first.
    const account = accounts === 0 ? -1 : present.length % accounts;
    const plan = userPlan(workload, seed, joined, targets);
    const user: User = { account, plan, step: null, isLeaving: false };
    joined += 1;
    present.push(user);
    think(user, fromUs);
  };
  const setTimer = () => timer.set(Math.min(thinking.nextUs, endUs));
  const startDue = () => {
    const nowUs = clock();
    while (thinking.nextUs <= nowUs && thinking.nextUs < endUs) {
      const scheduledUs = thinking.nextUs;
      const user = thinking.pop()!;
      if (user.isLeaving) continue;
      planned += 1;
      const onDone = (doneUs: number) => {
        const wasNextUs = thinking.nextUs;
        think(user, doneUs);
        // Only a new earliest instant moves the timer; most do not.
        if (thinking.nextUs < wasNextUs) setTimer();
      };
      const { template, target } = user.step!;
      start({ scheduledUs, position: user.account, template, target, onDone });
    }
  };
  const timer = new PrecisionTimer(clock, () => {
    startDue();
    if (clock() < endUs) {
      setTimer();
      return;
    }
    isStopped = true;
    options.onExhausted();
  });

  for (let count = 0; count < workload.users; count += 1) join(startUs);
  setTimer();
  return {
    templates: workload.operations,
    get planned() {
      return planned;
    },
    stop() {
      timer.clear();
      isStopped = true;
    },
    setUsers(count) {
      const nowUs = Math.max(startUs, clock());
      for (const user of present.splice(count)) user.isLeaving = true;
      while (present.length < count) join(nowUs);
      setTimer();
    },
  };
}
