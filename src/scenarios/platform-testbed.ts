/**
 * The platform as a drill runs it: tables made by the gateway's template, without a history unless one is asked for, and
 * several gateways of one design. turn4 has a testbed of its own, because the history is its point.
 */
import type { TestbedSpec } from '../sim/scenario.ts';

type Params = Readonly<Record<string, unknown>>;

export interface PlatformTestbed {
  readonly design: string;
  /** Without `rows`, a history of nothing. */
  readonly template: Params;
  /** Beside the design, and nobody but whom these name. */
  readonly accounts: Params;
  /** Beside the design. */
  readonly gateway?: Params;
  readonly gateways: number;
  readonly links?: TestbedSpec['links'];
}

export function platformTestbed(bed: PlatformTestbed): TestbedSpec {
  const { design, template, accounts, gateway, gateways, links } = bed;
  return {
    postgres: {
      settings: { shared_buffers: '256MB' },
      template: [
        {
          name: 'template',
          module: 'services/jobs/template.js',
          params: { rows: 0, heavyUsers: 0, heavyRows: 0, ...template },
        },
      ],
    },
    accounts: {
      name: 'accounts',
      module: 'services/jobs/accounts.js',
      params: { count: 0, heavyUsers: 0, design, ...accounts },
    },
    service: {
      name: 'gateway',
      module: 'services/gateway/main.js',
      params: { design, ...gateway },
    },
    instances: gateways,
    ...(links ? { links } : {}),
  };
}
