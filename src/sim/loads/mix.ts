/** Several open loads at once. */
import { type MixWorkload, mixOf } from '../pure/workload.ts';
import { openWords } from './open.ts';
import { workloadKind } from './play-workload.ts';

export const mixLoad = workloadKind<MixWorkload>({
  kind: 'mix',
  words: ({ streams }, text) =>
    streams.map((stream) => openWords(stream, text)).join(' Beside it: '),
  mapOperations: ({ streams }, change) =>
    mixOf(streams.map((stream) => ({ ...stream, operations: stream.operations.map(change) }))),
});
