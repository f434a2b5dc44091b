/** Open arrivals at rising rates until an SLO breaks: the rate an arm sustains. */
import type { LoadKind } from '../load-kind.ts';
import type { OperationTemplate } from '../pure/load/workload.ts';
import { describeMix } from './describe-mix.ts';
import { type RateSearch, searchCapacity } from './search-capacity.ts';

export interface CapacitySearch {
  readonly kind: 'capacity-search';
  readonly search: RateSearch;
  readonly operations: readonly OperationTemplate[];
}

export const capacitySearch: LoadKind<CapacitySearch> = {
  kind: 'capacity-search',
  operations: ({ operations }) => operations,
  mapOperations: (load, change) => ({ ...load, operations: load.operations.map(change) }),
  problems: ({ search, operations }) => [
    ...(operations.length === 0 ? ['a search needs an operation'] : []),
    ...(search.factor > 1 ? [] : [`a factor of ${search.factor} does not rise`]),
    ...(search.startPerSecond > 0 && search.startPerSecond <= search.maxPerSecond
      ? []
      : [`${search.startPerSecond}/s to ${search.maxPerSecond}/s is no range of rates`]),
  ],
  describe: ({ search, operations }, text) =>
    `Open arrivals, from ${text.rate(search.startPerSecond)} and ${search.factor} times more each step,` +
    ` until an SLO breaks: ${describeMix(operations, text)}.`,
  plannedMs: () => null,
  extraPhases: ['rising-warm-up'],
  judgesItself: true,
  // With a fixed rate there is nothing to search.
  override: (load, { ratePerSecond }) => (ratePerSecond === undefined ? { load } : null),
  async run({ session, slos, operationsFile, lagLimitUs }, _phase, load) {
    const { search, operations } = load;
    session.load.setMix({ operations, think: { meanMs: 0, shape: 1 } });
    return { search: await searchCapacity(session, { search, slos, operationsFile, lagLimitUs }) };
  },
};
