/** The sections of a report in reading order. A new section is a file in sections/ and a line here. */
import type { RenderSection } from './blocks.ts';
import { calibration } from './sections/calibration.ts';
import { capacity } from './sections/capacity.ts';
import { comparison } from './sections/comparison.ts';
import { costs } from './sections/costs.ts';
import { diagnosis } from './sections/diagnosis.ts';
import { documented } from './sections/documented.ts';
import { errors } from './sections/errors.ts';
import { faults } from './sections/faults.ts';
import { heatMap } from './sections/heat-map.ts';
import { invariants } from './sections/invariants.ts';
import { phases } from './sections/phases.ts';
import { reproduce } from './sections/reproduce.ts';
import { resources } from './sections/resources.ts';
import { slos } from './sections/slos.ts';
import { spectrum } from './sections/spectrum.ts';
import { timeline } from './sections/timeline.ts';
import { validity } from './sections/validity.ts';
import { verdict } from './sections/verdict.ts';

export const sections: readonly RenderSection[] = [
  verdict,
  slos,
  documented,
  invariants,
  comparison,
  costs,
  spectrum,
  timeline,
  phases,
  faults,
  heatMap,
  errors,
  capacity,
  resources,
  diagnosis,
  validity,
  calibration,
  reproduce,
];
