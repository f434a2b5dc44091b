import { expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import { MAX_TEMPLATES } from '../../sim/effects/testbed/templates/template-eviction.ts';
import { listTemplateSpecs } from './prepare-templates.ts';

it('builds the data of all scenarios once per machine: two versions of it fit in the cache', () => {
  const { length } = listTemplateSpecs(scenarios);
  expect(length).toBeGreaterThan(1);
  expect(2 * length).toBeLessThanOrEqual(MAX_TEMPLATES);
});
