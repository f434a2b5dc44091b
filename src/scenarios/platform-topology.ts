/**
 * The platform's topology in a scenario: one PostgreSQL with the gateway's tables, one Redis, and gateways of one
 * design, which receive the load.
 */
import { DATABASE_ROLES } from '../services/design.ts';
import type { PlannedFault } from '../sim/fault-plan.ts';
import type { Phase } from '../sim/scenario.ts';
import type { EdgeSpec, Params, TargetOf, Topology } from '../sim/topology.ts';

export type PlatformNode = 'postgres' | 'redis' | 'gateway';
export type PlatformTopology = Topology<PlatformNode>;
type PlatformTarget = TargetOf<PlatformTopology>;
/** A fault on a node, process or edge that the platform does not have is a type error. */
export type PlatformPhase = Phase<PlatformTarget>;
export type PlatformFault = PlannedFault<PlatformTarget>;

export interface PlatformParts {
  readonly design: string;
  /** `rows`: audit events in the seeded history, default 0. */
  readonly template: Params;
  /** postgresql.conf settings. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Parameters of the accounts job, which also gets the design. */
  readonly accounts: Params;
  /** Parameters of the gateways, which also get the design. */
  readonly gateway?: Params;
  readonly gateways: number;
  /** Parameters of the job that reads what the platform recorded. */
  readonly facts?: Params;
  /** The gateways' edges that a fault of this scenario targets. */
  readonly proxied?: readonly ('gateway->redis' | 'gateway->postgres')[];
}

export function platformTopology(parts: PlatformParts): PlatformTopology {
  const { design, template, accounts, gateway, gateways, proxied = [], facts = {} } = parts;
  const storeEdge = (to: 'postgres' | 'redis', as: string): EdgeSpec<PlatformNode> => ({
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
      storeEdge('redis', 'redis'),
      {
        ...storeEdge('postgres', 'database'),
        logins: [DATABASE_ROLES.gateway, DATABASE_ROLES.sequencer],
      },
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
        module: 'services/jobs/facts.js',
        params: facts,
        uses: { database: 'postgres', redis: 'redis' },
      },
    ],
  };
}
