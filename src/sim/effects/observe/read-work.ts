/** Reads the work counters of every node of a testbed. */
import { namedCounters, type WorkCounter } from '../../pure/measure/costs.ts';
import type { Testbed } from '../testbed/testbed.ts';

export async function readWork({ nodes }: Pick<Testbed, 'nodes'>): Promise<WorkCounter[]> {
  const readings = [...nodes.values()].map(async (node) => ({
    name: node.name,
    counters: await node.readWork(),
  }));
  return namedCounters(await Promise.all(readings));
}
