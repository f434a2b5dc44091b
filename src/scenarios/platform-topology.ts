/**
 * The platform as a scenario runs it: one PostgreSQL with the gateway's tables, one Redis, and gateways of one design
 * that the load is sent to.
 */
import type { PlannedFault } from '../sim/fault-plan.ts';
import type { Phase } from '../sim/scenario.ts';
import type { EdgeSpec, Params, TargetOf, Topology } from '../sim/topology.ts';

export type PlatformNode = 'postgres' | 'redis' | 'gateway';
export type PlatformTopology = Topology<PlatformNode>;
type PlatformTarget = TargetOf<PlatformTopology>;
/** Their faults name nodes, processes and edges that the platform has; another name does not compile. */
export type PlatformPhase = Phase<PlatformTarget>;
export type PlatformFault = PlannedFault<PlatformTarget>;

export interface PlatformParts {
  readonly design: string;
  /** Without `rows`, a history of nothing. */
  readonly template: Params;
  /** postgresql.conf settings. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Beside the design, and nobody but whom these name. */
  readonly accounts: Params;
  /** Beside the design. */
  readonly gateway?: Params;
  readonly gateways: number;
  /** Of the job that reads what the platform recorded. */
  readonly facts?: Params;
  /** Edges of the gateways that carry a fault in this scenario. */
  readonly proxied?: readonly ('gateway->redis' | 'gateway->postgres')[];
}

export function platformTopology(parts: PlatformParts): PlatformTopology {
  const { design, template, accounts, gateway, gateways, proxied = [], facts = {} } = parts;
  const store = (to: 'postgres' | 'redis', as: string): EdgeSpec<PlatformNode> => ({
    from: 'gateway',
    to,
    as,
    proxied: proxied.includes(`gateway->${to}`),
  });
  return {
    nodes: {
      postgres: {
        kind: 'postgres',
        settings: parts.settings ?? { shared_buffers: '256MB' },
        template: [
          {
            name: 'template',
            module: 'services/jobs/template.js',
            params: { rows: 0, heavyUsers: 0, heavyRows: 0, ...template },
          },
        ],
        replaceable: true,
      },
      redis: { kind: 'redis', replaceable: true },
      gateway: {
        kind: 'process',
        start: { module: 'services/gateway/main.js' },
        instances: gateways,
        params: { design, ...gateway },
      },
    },
    edges: [
      { from: 'client', to: 'gateway' },
      store('redis', 'redis'),
      store('postgres', 'database'),
    ],
    jobs: [
      {
        name: 'accounts',
        role: 'accounts',
        module: 'services/jobs/accounts.js',
        params: { count: 0, heavyUsers: 0, design, ...accounts },
        uses: { database: 'postgres', redis: 'redis' },
      },
      {
        name: 'facts',
        role: 'facts',
        module: 'services/jobs/effects.js',
        params: facts,
        uses: { database: 'postgres', redis: 'redis' },
      },
    ],
  };
}
