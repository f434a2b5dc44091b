/** What the drills of the limiter share: requests that keep their evidence, streams, and the testbed they meet. */
import { findDesign } from '../services/lineage.ts';
import type { OpenWorkload, OperationTemplate } from '../sim/pure/workload.ts';
import type { Arm, DrillPhase, TestbedSpec } from '../sim/scenario.ts';
import { limitHeaders } from './limit-evidence.ts';

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
  given: Pick<DrillPhase, 'name' | 'role' | 'note' | 'workload'> & Partial<DrillPhase>,
): DrillPhase => ({ judged: true, ...given });

/** Not judged: code that has never run is several times slower, whatever the design. */
export const warmUp = (workload: DrillPhase['workload']): DrillPhase => ({
  ...{ name: 'warm-up', role: 'warm-up', judged: false },
  ...{ note: 'everything once: connections, caches, code', workload },
});

interface LimitTestbed {
  readonly windowMs: number;
  readonly gateways: number;
  /** People in the database, the same for every arm, and the design it is made for. */
  readonly template: Readonly<Record<string, string | number>>;
  /** As account-groups.ts of the gateway reads them. */
  readonly groups: readonly Readonly<Record<string, unknown>>[];
}

function testbed(
  design: string,
  { windowMs, gateways, template, groups }: LimitTestbed,
): TestbedSpec {
  return {
    postgres: {
      settings: { shared_buffers: '256MB' },
      template: [
        {
          name: 'template',
          module: 'services/gateway/template.js',
          params: { rows: 0, heavyUsers: 0, heavyRows: 0, ...template },
        },
      ],
    },
    accounts: {
      name: 'accounts',
      module: 'services/gateway/accounts.js',
      params: { count: 0, heavyUsers: 0, design, groups },
    },
    service: {
      name: 'gateway',
      module: 'services/gateway/main.js',
      params: { design, limitWindowMs: windowMs, evidence: 1 },
    },
    instances: gateways,
  };
}

export function limitArm(
  design: string,
  bed: LimitTestbed,
  expectations: Pick<Arm, 'expected' | 'mustFail' | 'mayFail'>,
): Arm {
  const { summary } = findDesign(design);
  return { design, description: summary, ...expectations, testbed: testbed(design, bed) };
}
