/** Every scenario that `platform sim` knows by name. Adding one is a new file and a line here. */
import type { Scenario } from '../sim/scenario.ts';
import { withPlantedDefects } from './planted-defects.ts';
import { turn1 } from './turn1.ts';
import { turn2 } from './turn2.ts';
import { turn3 } from './turn3.ts';
import { turn4 } from './turn4.ts';
import { turn5 } from './turn5.ts';

export const scenarios: readonly Scenario[] = [turn1, turn2, turn3, turn4, turn5].map(
  withPlantedDefects,
);

/** @throws Error that names the scenarios there are. */
export function findScenario(id: string): Scenario {
  const found = scenarios.find((scenario) => scenario.id === id);
  if (found !== undefined) return found;
  throw new Error(`there is no scenario ${id}: ${scenarios.map((one) => one.id).join(', ')}`);
}
