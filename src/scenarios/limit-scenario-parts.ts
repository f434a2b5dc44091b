/** Shared by the limiter's scenarios: operations with evidence, streams, phases and the testbed. */
import { findDesign } from '../services/lineage.ts';
import type { OpenWorkload, OperationTemplate } from '../sim/pure/load/workload.ts';
import type { Arm } from '../sim/scenario.ts';
import { defineArm } from './define.ts';
import { limitHeaders } from './invariants/limit-evidence.ts';
import { LIMITS_NOTICED, withNoticing } from './noticed-faults.ts';
import { type PlatformPhase, platformTopology } from './platform-topology.ts';

/** By default a GET without retry that captures the limiter's headers. */
export const defineOperation = (
  given: Pick<OperationTemplate, 'name' | 'path'> & Partial<OperationTemplate>,
): OperationTemplate => ({ weight: 1, method: 'GET', captureHeaders: limitHeaders, ...given });

/** Each group has its own arrivals, so that adding a bot does not change the others. */
export function openStream(
  operations: readonly OperationTemplate[],
  ratePerSecond: number,
  durationMs: number,
  arrivals: OpenWorkload['arrivals'] = 'poisson',
): OpenWorkload {
  return { kind: 'open', arrivals, stages: [{ ratePerSecond, durationMs }], operations };
}

export const judgedPhase = (
  given: Pick<PlatformPhase, 'name' | 'role' | 'note' | 'load'> & Partial<PlatformPhase>,
): PlatformPhase => ({ judged: true, ...given });

/** Not judged: code that has not been compiled is several times slower, whatever the design. */
export const warmUpPhase = (load: PlatformPhase['load']): PlatformPhase => ({
  name: 'warm-up',
  role: 'warm-up',
  judged: false,
  note: 'everything once: connections, caches, code',
  load,
});

interface LimitTestbed {
  readonly windowMs: number;
  readonly gateways: number;
  /** Users in the database, the same for every arm, and the design whose tables are used. */
  readonly template: Readonly<Record<string, string | number>>;
  /** As account-groups.ts of the gateway reads them. */
  readonly groups: readonly Readonly<Record<string, unknown>>[];
}

export function defineLimitArm(
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
  const description = summary;
  const noticed = withNoticing(phases, LIMITS_NOTICED);
  return defineArm({ design, description, ...expectations, topology, phases: noticed });
}
