/** The standbys of a primary, from the topology. */
import type { PostgresSpec, Topology } from '../../../topology.ts';

export function standbysOf(primary: string, topology: Topology): string[] {
  return Object.entries(topology.nodes).flatMap(([name, spec]) =>
    spec.kind === 'postgres' && (spec as PostgresSpec).standbyOf === primary ? [name] : [],
  );
}
