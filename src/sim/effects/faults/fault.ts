/**
 * A fault: something done to the system under test that can be taken back, and proven to be. Whoever applies one
 * undoes it on every way out; undo is idempotent and harmless when apply never ran or failed half way.
 */
import type { FaultSpec } from '../../fault-plan.ts';
import type { Testbed } from '../testbed/testbed.ts';
import { createLinkFault } from './link-faults.ts';
import { createProcessFault } from './process-faults.ts';
import type { ProxyDecision } from './proxy-protocol.ts';

export interface Fault {
  /** Resolves when it has been seen to take effect, with what exactly was hit. */
  apply(): Promise<string>;
  undo(): Promise<void>;
  /** True when the undo is proven, else why it is not. Bounded. */
  probe(): Promise<true | string>;
  /** The seeded choices made under it so far. */
  decisions(): readonly ProxyDecision[];
}

/** What faults act on. */
export type FaultTargets = Pick<Testbed, 'processes' | 'links'>;

/** Throws at once when the testbed has nothing like the target. */
export function createFault(spec: FaultSpec, targets: FaultTargets): Fault {
  return spec.kind === 'link'
    ? createLinkFault(spec, targets.links)
    : createProcessFault(spec, targets.processes);
}
