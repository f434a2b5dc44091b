/** A workload as the load of a phase: what open, users, sweep and mix have in common. */
import type { LoadContext, LoadKind } from '../load-kind.ts';
import { firstOf, plannedMs } from '../pure/schedule.ts';
import { validate } from '../pure/validate-workload.ts';
import type { Workload } from '../pure/workload.ts';

/** Faults that wait for each other take longer on a slow machine; the load goes on for them, but no longer than this. */
const MAX_SECONDS_MORE = 300;
/** Seeds of what is played beyond the plan; the phases of a run are numbered far below. */
const SEED_STEP = 1_000_000;

/** What these kinds do alike; each adds its name and its words. */
export function workloadKind<W extends Workload>(
  own: Pick<LoadKind<W>, 'kind' | 'words'> & Partial<LoadKind<W>>,
): LoadKind<W> {
  return {
    operations: ({ operations }) => operations,
    mapOperations: (load, change) => ({ ...load, operations: load.operations.map(change) }),
    problems,
    plannedMs: (load) => plannedMs(load),
    run: async (context, phase, load) => {
      const { arm } = context;
      const planned = plannedMs(load);
      await arm.load.prepare(load, context.seed);
      await context.measure({ ...phase, plannedMs: planned === 0 ? null : planned }, (faults) =>
        play(context, load, faults.mustOutlast),
      );
      return {};
    },
    ...own,
  };
}

async function play(
  { arm, seed }: LoadContext,
  workload: Workload,
  mustOutlast: () => boolean,
): Promise<void> {
  await arm.load.run(workload, seed);
  for (let more = 1; mustOutlast() && more <= MAX_SECONDS_MORE; more += 1)
    await arm.load.run(firstOf(workload, 1_000), seed + SEED_STEP * more);
}

function problems(workload: Workload): string[] {
  try {
    validate(workload);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}
