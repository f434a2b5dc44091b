/** Open arrivals, step by step faster, until an SLO breaks: how much traffic an arm holds. */
import type { LoadKind } from '../load-kind.ts';
import { mixWords } from '../load-words.ts';
import { capacityOf } from '../pure/capacity.ts';
import type { OperationTemplate } from '../pure/workload.ts';
import { type RisingLoad, searchCapacity } from './search-capacity.ts';

export interface CapacitySearch {
  readonly kind: 'capacity-search';
  readonly rising: RisingLoad;
  readonly operations: readonly OperationTemplate[];
}

export const capacitySearch: LoadKind<CapacitySearch> = {
  kind: 'capacity-search',
  operations: ({ operations }) => operations,
  mapOperations: (load, change) => ({ ...load, operations: load.operations.map(change) }),
  problems: ({ rising, operations }) => [
    ...(operations.length === 0 ? ['a search needs an operation'] : []),
    ...(rising.factor > 1 ? [] : [`a factor of ${rising.factor} does not rise`]),
    ...(rising.startPerSecond > 0 && rising.startPerSecond <= rising.maxPerSecond
      ? []
      : [`${rising.startPerSecond}/s to ${rising.maxPerSecond}/s is no range of rates`]),
  ],
  words: ({ rising, operations }, text) =>
    `Open arrivals, from ${text.rate(rising.startPerSecond)} and ${rising.factor} times more each step,` +
    ` until an SLO breaks: ${mixWords(operations, text)}.`,
  plannedMs: () => null,
  ownPhases: ['rising-warm-up'],
  judgesItself: true,
  // Its rates are what it searches: with a rate given there is nothing to search.
  override: (load, { ratePerSecond }) => (ratePerSecond === undefined ? { load } : null),
  async run({ arm, slos, operationsFile, lagLimitUs, brokenPerSecond }, _phase, load) {
    const { rising, operations } = load;
    arm.load.setMix({ operations, think: { meanMs: 0, shape: 1 } });
    const steps = await searchCapacity(arm, { rising, slos, operationsFile, lagLimitUs });
    return { capacity: capacityOf(steps, brokenPerSecond) };
  },
};
