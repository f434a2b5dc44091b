/** The population that an earlier arm was held at, for an arm that is to be compared with it. */
import type { LoadKind } from '../load-kind.ts';
import { mixWords } from '../load-words.ts';
import type { ArmName } from '../result.ts';
import { nominalUsers } from './controlled-population.ts';
import {
  goalOf,
  openInstead,
  type PopulationLoad,
  populationProblems,
  secondsOf,
  untilDone,
} from './population.ts';

export interface SameUsers extends PopulationLoad {
  readonly kind: 'same-users';
  /** The arm whose population it is; where that did not run, the documented service time sizes it. */
  readonly of: ArmName;
}

export const sameUsers: LoadKind<SameUsers> = {
  kind: 'same-users',
  operations: ({ operations }) => operations,
  mapOperations: (load, change) => ({ ...load, operations: load.operations.map(change) }),
  problems: populationProblems,
  needsOwnCore: true,
  words: ({ of, users, operations }, text) =>
    `As many users as ${of} was held at, who think ${text.length(users.think.meanMs)} between requests: ${mixWords(operations, text)}.`,
  plannedMs: ({ users }) => users.sameLoadMs,
  ownPhases: ['warm-up'],
  override(load, { ratePerSecond, durationMs, tool }) {
    const { users } = load;
    if (ratePerSecond !== undefined)
      return openInstead(load, { ratePerSecond, tool }, durationMs ?? users.measureMs);
    return { load: { ...load, users: { ...users, sameLoadMs: durationMs ?? users.sameLoadMs } } };
  },
  async run({ arm, slos, usersOf, measure }, { name, judged }, { of, users, operations }) {
    arm.load.setMix({ operations, think: users.think });
    const found = usersOf(of);
    const count = found ?? nominalUsers(users);
    const note = `${count} users thinking ${secondsOf(users.think.meanMs)}`;
    await arm.load.startUsers(count, 0);
    // Connections, caches and statements warm up before anything is judged.
    const warmupMs = users.warmupMs / 4;
    await arm.phase({ name: 'warm-up', note, plannedMs: warmupMs }, () => arm.pause(warmupMs));
    const goal = goalOf(slos, users.sameLoadMs, null);
    await measure({ name, note, plannedMs: goal.plannedMs, judged }, async () =>
      arm.note(name, await untilDone(arm, goal)),
    );
    await arm.load.stopUsers();
    const nominal = 'sized from the documented service time: nothing to calibrate on';
    return {
      users: count,
      calibration:
        found === null ? [{ users: count, cpuPercent: null, meanUs: 0, note: nominal }] : [],
    };
  },
};
