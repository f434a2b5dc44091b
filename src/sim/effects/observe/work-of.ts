/** The work that all stores of a testbed have done so far. */
import { namedCounters, type WorkCounter } from '../../pure/costs.ts';
import type { Testbed } from '../testbed/testbed.ts';

export async function workOf({ nodes }: Pick<Testbed, 'nodes'>): Promise<WorkCounter[]> {
  const read = [...nodes.values()].map(async (node) => ({
    name: node.name,
    counters: await node.work(),
  }));
  return namedCounters(await Promise.all(read));
}
