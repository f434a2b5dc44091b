/** A built-in scenario with another program for the gateways of `after`: PLATFORM_PLANTED holds `{ scenario, module, params }`. */
import { fileURLToPath } from 'node:url';
import { scenarios } from '../dist/scenarios/index.js';

const planted = JSON.parse(process.env.PLATFORM_PLANTED);
const sound = scenarios.find(({ id }) => id === planted.scenario);
const module = fileURLToPath(new URL(planted.module, import.meta.url));

function withProgram({ topology, ...arm }) {
  const { gateway } = topology.nodes;
  const changed = {
    ...gateway,
    start: { module },
    params: { ...gateway.params, ...planted.params },
  };
  return { ...arm, topology: { ...topology, nodes: { ...topology.nodes, gateway: changed } } };
}

export const scenario = {
  ...sound,
  id: `${sound.id}-planted`,
  declare(options) {
    const declared = sound.declare(options);
    return { ...declared, arms: { ...declared.arms, after: withProgram(declared.arms.after) } };
  },
};
