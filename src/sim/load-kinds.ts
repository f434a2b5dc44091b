/** Registry of load kinds. To add one: a file in loads/ and a line here. */
import type { LoadKind } from './load-kind.ts';
import { type CapacitySearch, capacitySearch } from './loads/capacity-search.ts';
import { type CpuControlledUsers, cpuControlledUsers } from './loads/cpu-controlled-users.ts';
import { mixLoad } from './loads/mix.ts';
import { openLoad } from './loads/open.ts';
import { type SameUsers, sameUsers } from './loads/same-users.ts';
import { sweepLoad } from './loads/sweep.ts';
import { usersLoad } from './loads/users.ts';
import type { OperationTemplate, Workload } from './pure/load/workload.ts';
import { createRegistry } from './registry.ts';

/** Open for kinds that are registered from outside. */
export interface OtherLoad {
  readonly kind: `x-${string}`;
  readonly [option: string]: unknown;
}

export type Load = Workload | CpuControlledUsers | SameUsers | CapacitySearch | OtherLoad;

// Each kind handles the data of its own `kind` only.
// biome-ignore lint/suspicious/noExplicitAny: a heterogeneous registry, keyed by the load's own kind.
export const LOAD_KINDS = createRegistry<LoadKind<any>>('load', [
  openLoad,
  usersLoad,
  sweepLoad,
  mixLoad,
  cpuControlledUsers,
  sameUsers,
  capacitySearch,
]);

/** Operation templates of these phases, one per name. */
export function operationsOf(
  phases: readonly { readonly load: Load }[],
): readonly OperationTemplate[] {
  const all = phases.flatMap(({ load }) => LOAD_KINDS.of(load.kind).operations(load));
  return [...new Map(all.map((operation) => [operation.name, operation])).values()];
}

export function needsOwnCore(phases: readonly { readonly load: Load }[]): boolean {
  return phases.some(({ load }) => LOAD_KINDS.of(load.kind).needsOwnCore === true);
}
