/** One operation as every credential of a kind. */
import type { SweepWorkload } from '../pure/workload.ts';
import { workloadKind } from './play-workload.ts';

export const sweepLoad = workloadKind<SweepWorkload>({
  kind: 'sweep',
  words: ({ operations: [operation], max, as, everyTarget, ratePerSecond }, text) => {
    const most = max === undefined ? 'every' : `${max} of every`;
    const where = everyTarget ? 'on every process of the service' : 'once';
    return `${operation.name} as ${most} ${as} credential, ${where}, ${text.rate(ratePerSecond)}.`;
  },
  mapOperations: (load, change) => ({ ...load, operations: [change(load.operations[0])] }),
  // As long as there are credentials, which only the run knows.
  plannedMs: () => null,
});
