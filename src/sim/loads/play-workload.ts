/** The load kinds that run one workload as a whole: open, users, sweep and mix. */
import type { LoadContext, LoadKind } from '../load-kind.ts';
import { plannedMs, workloadStart } from '../pure/load/schedule.ts';
import { validate } from '../pure/load/validate-workload.ts';
import type { Workload } from '../pure/load/workload.ts';

/** Faults that wait for each other take longer on a slow machine: the load is extended until they end, at most this long. */
const MAX_EXTRA_SECONDS = 300;
/** Seed distance between extension seconds; phase seeds of a run differ by far less. */
const SEED_STEP = 1_000_000;

/** Defaults of these kinds; each adds its name and its description. */
export function workloadKind<W extends Workload>(
  own: Pick<LoadKind<W>, 'kind' | 'describe'> & Partial<LoadKind<W>>,
): LoadKind<W> {
  return {
    operations: ({ operations }) => operations,
    mapOperations: (load, change) => ({ ...load, operations: load.operations.map(change) }),
    problems,
    plannedMs: (load) => plannedMs(load),
    run: async (context, phase, load) => {
      const { session } = context;
      const planned = plannedMs(load);
      await session.load.prepare(load, context.seed);
      await context.measure({ ...phase, plannedMs: planned === 0 ? null : planned }, (faults) =>
        runUntilFaultsEnd(context, load, faults.isPending),
      );
      return {};
    },
    ...own,
  };
}

async function runUntilFaultsEnd(
  { session, seed }: LoadContext,
  workload: Workload,
  mustOutlast: () => boolean,
): Promise<void> {
  await session.load.run(workload, seed);
  for (let extraSeconds = 1; mustOutlast() && extraSeconds <= MAX_EXTRA_SECONDS; extraSeconds += 1)
    await session.load.run(workloadStart(workload, 1_000), seed + SEED_STEP * extraSeconds);
}

function problems(workload: Workload): string[] {
  try {
    validate(workload);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}
