/** One operation, sent once with every credential of a kind. */
import type { SweepWorkload } from '../pure/load/workload.ts';
import { workloadKind } from './play-workload.ts';

export const sweepLoad = workloadKind<SweepWorkload>({
  kind: 'sweep',
  describe: ({ operations: [operation], max, as, everyTarget, ratePerSecond }, text) => {
    const count = max === undefined ? 'every' : `${max} of every`;
    const where = everyTarget ? 'on every process of the service' : 'once';
    return `${operation.name} as ${count} ${as} credential, ${where}, ${text.rate(ratePerSecond)}.`;
  },
  mapOperations: (load, change) => ({ ...load, operations: [change(load.operations[0])] }),
  // Its length depends on the number of credentials, known only during the run.
  plannedMs: () => null,
});
