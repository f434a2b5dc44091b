/** What the drills of the limiter share: requests that keep their evidence, streams, and the testbed they meet. */
import { findDesign } from '../services/lineage.ts';
import type { OpenWorkload, OperationTemplate } from '../sim/pure/workload.ts';
import type { Arm } from '../sim/scenario.ts';
import { defineArm } from './define.ts';
import { limitHeaders } from './limit-evidence.ts';
import { type PlatformPhase, platformTopology } from './platform-topology.ts';

/** GET, once, with the headers in which a limiter says what it decided. */
export const request = (
  given: Pick<OperationTemplate, 'name' | 'path'> & Partial<OperationTemplate>,
): OperationTemplate => ({ weight: 1, method: 'GET', captureHeaders: limitHeaders, ...given });

/** Arrivals of their own for each group, so that a bot more changes nothing about the others. */
export function stream(
  operations: readonly OperationTemplate[],
  ratePerSecond: number,
  durationMs: number,
  arrivals: OpenWorkload['arrivals'] = 'poisson',
): OpenWorkload {
  return { kind: 'open', arrivals, stages: [{ ratePerSecond, durationMs }], operations };
}

export const phase = (
  given: Pick<PlatformPhase, 'name' | 'role' | 'note' | 'load'> & Partial<PlatformPhase>,
): PlatformPhase => ({ judged: true, ...given });

/** Not judged: code that has never run is several times slower, whatever the design. */
export const warmUp = (load: PlatformPhase['load']): PlatformPhase => ({
  ...{ name: 'warm-up', role: 'warm-up', judged: false },
  ...{ note: 'everything once: connections, caches, code', load },
});

interface LimitTestbed {
  readonly windowMs: number;
  readonly gateways: number;
  /** People in the database, the same for every arm, and the design it is made for. */
  readonly template: Readonly<Record<string, string | number>>;
  /** As account-groups.ts of the gateway reads them. */
  readonly groups: readonly Readonly<Record<string, unknown>>[];
}

export function limitArm(
  design: string,
  { windowMs, gateways, template, groups }: LimitTestbed,
  phases: readonly PlatformPhase[],
  expectations: Pick<Arm, 'expected' | 'mustFail' | 'mayFail'>,
): Arm {
  const { summary } = findDesign(design);
  const topology = platformTopology({
    design,
    template,
    gateways,
    accounts: { groups },
    gateway: { limitWindowMs: windowMs, evidence: 1 },
  });
  return defineArm({ design, description: summary, ...expectations, topology, phases });
}
