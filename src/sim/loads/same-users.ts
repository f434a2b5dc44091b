/** The same population that an earlier arm ran with, so that the two can be compared. */
import type { LoadKind } from '../load-kind.ts';
import type { ArmName } from '../result.ts';
import { nominalUsers } from './cpu-controlled-population.ts';
import { describeMix } from './describe-mix.ts';
import {
  formatSeconds,
  type PopulationLoad,
  phaseGoal,
  populationKind,
  replaceByOpenLoad,
  waitForPhaseGoal,
} from './population.ts';

export interface SameUsers extends PopulationLoad {
  readonly kind: 'same-users';
  /** The arm whose population is used; if it did not run, the documented service time sizes it. */
  readonly of: ArmName;
}

export const sameUsers: LoadKind<SameUsers> = {
  kind: 'same-users',
  ...populationKind,
  describe: ({ of, users, operations }, text) =>
    `As many users as ${of} was held at, who think ${text.duration(users.think.meanMs)} between requests: ${describeMix(operations, text)}.`,
  plannedMs: ({ users }) => users.sameLoadMs,
  extraPhases: ['warm-up'],
  override(load, { ratePerSecond, durationMs, tool }) {
    const { users } = load;
    if (ratePerSecond !== undefined)
      return replaceByOpenLoad(load, { ratePerSecond, tool }, durationMs ?? users.measureMs);
    return { load: { ...load, users: { ...users, sameLoadMs: durationMs ?? users.sameLoadMs } } };
  },
  async run({ session, slos, populationOf, measure }, { name, judged }, { of, users, operations }) {
    session.load.setMix({ operations, think: users.think });
    const measuredUsers = populationOf(of);
    const count = measuredUsers ?? nominalUsers(users);
    const note = `${count} users, ${formatSeconds(users.think.meanMs)} think time`;
    await session.load.startUsers(count, 0);
    // Connections, caches and statements warm up before anything is judged.
    const warmupMs = users.warmupMs / 4;
    await session.runPhase({ name: 'warm-up', note, plannedMs: warmupMs }, () =>
      session.pause(warmupMs),
    );
    const goal = phaseGoal(slos, users.sameLoadMs, null);
    await measure({ name, note, plannedMs: goal.plannedMs, judged }, async () =>
      session.note(name, await waitForPhaseGoal(session, goal)),
    );
    await session.load.stopUsers();
    const nominal = 'sized from the documented service time: nothing to calibrate on';
    return {
      users: count,
      calibration:
        measuredUsers === null
          ? [{ users: count, cpuPercent: null, meanUs: 0, note: nominal }]
          : [],
    };
  },
};
