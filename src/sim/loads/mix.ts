/** Several open loads at once. */
import { type MixWorkload, mixOf } from '../pure/load/workload.ts';
import { describeOpen } from './open.ts';
import { workloadKind } from './play-workload.ts';

export const mixLoad = workloadKind<MixWorkload>({
  kind: 'mix',
  describe: ({ streams }, text) =>
    streams.map((stream) => describeOpen(stream, text)).join(' Beside it: '),
  mapOperations: ({ streams }, change) =>
    mixOf(streams.map((stream) => ({ ...stream, operations: stream.operations.map(change) }))),
});
