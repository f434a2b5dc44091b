/** Every kind of fault. Adding one is a file in kinds/ and a line here; its data type joins the union in fault-plan.ts. */
import type { FaultSpec, PlannedFault } from '../../fault-plan.ts';
import { createRegistry } from '../../registry.ts';
import type { Topology } from '../../topology.ts';
import type { Fault, FaultKind, FaultTargets } from './fault.ts';
import { endpointFault } from './kinds/endpoint.ts';
import { failoverFault } from './kinds/failover.ts';
import { killFault } from './kinds/kill.ts';
import { killBackendFault } from './kinds/kill-backend.ts';
import { linkFault } from './kinds/link.ts';
import { pauseFault } from './kinds/pause.ts';
import { replicationDelayFault } from './kinds/replication-delay.ts';

// Each kind gets specs of its own shape only.
// biome-ignore lint/suspicious/noExplicitAny: a heterogeneous registry, keyed by the spec's own kind.
export const FAULT_KINDS = createRegistry<FaultKind<any>>('fault', [
  killFault,
  pauseFault,
  killBackendFault,
  linkFault,
  failoverFault,
  replicationDelayFault,
  endpointFault,
]);

/** Throws when the testbed does not have the target. */
export function createFault(spec: FaultSpec, targets: FaultTargets): Fault {
  return FAULT_KINDS.of(spec.kind).create(spec, targets);
}

/** The reasons why a fault cannot be applied in a topology, one clause each; needs no running testbed. */
export function faultProblems({ at, fault }: PlannedFault, topology: Topology): readonly string[] {
  const kinds: readonly string[] = FAULT_KINDS.all().map(({ kind }) => kind);
  const problems = kinds.includes(fault.kind)
    ? FAULT_KINDS.of(fault.kind).problems(fault, topology)
    : [`there is no kind of fault ${fault.kind}; known: ${kinds.join(', ')}`];
  // Only the proxy observes COMMITs.
  const canObserveCommits = topology.edges.some(
    ({ to, proxied }) => proxied === true && topology.nodes[to]?.kind === 'postgres',
  );
  return [
    ...problems,
    ...(at.commitInFlight === true && !canObserveCommits
      ? ['it waits for a COMMIT, but no proxied edge leads to PostgreSQL']
      : []),
  ];
}
