/**
 * Colours by role. A chart is drawn with placeholder colours, which become CSS variables, so that one SVG follows the
 * light, dark and print schemes.
 */
import type { ArmName } from '../../sim/result.ts';
import { oneLine } from '../format.ts';
import { LIGHT_COLORS } from './light-colors.ts';

const roles = [
  'ink',
  'muted',
  'axis',
  'grid',
  'slo',
  'slo-zone',
  'fault',
  'idle',
  'good',
  'bad',
  'doubt',
  'before',
  'before-soft',
  'sample',
  'sample-soft',
  'after',
  'after-soft',
  'heat-1',
  'heat-2',
  'heat-3',
  'heat-4',
  'heat-5',
  'heat-6',
  'series-1',
  'series-2',
  'series-3',
  'series-4',
  'series-5',
  'series-6',
  'series-7',
  'series-8',
  'series-9',
] as const;

export type Role = (typeof roles)[number];

export const HEAT_LEVELS = 6;
export const SERIES_COLORS = 9;

/** The placeholder of a role: `#0a0b00` and up, which no chart uses as a colour. */
export function color(role: Role): string {
  return `#0a0b${roles.indexOf(role).toString(16).padStart(2, '0')}`;
}

export function armColor(arm: ArmName): string {
  return color(arm);
}

export function armSoftColor(arm: ArmName): string {
  return color(`${arm}-soft`);
}

export function seriesRole(index: number): Role {
  return `series-${(index % SERIES_COLORS) + 1}` as Role;
}

export function heatRole(level: number): Role {
  return `heat-${level}` as Role;
}

/** Beyond the last colour, colours repeat with dashed lines. */
export function isSeriesDashed(index: number): boolean {
  return index >= SERIES_COLORS;
}

export interface LegendItem {
  readonly role: Role;
  readonly text: string;
  readonly shape?: 'dash' | 'thin' | 'box' | 'dot' | 'hatched';
}

/** One item for each series. */
export function seriesLegend(names: readonly string[], shape?: 'box'): LegendItem[] {
  return names.map((name, index) => {
    const item = { role: seriesRole(index), text: oneLine(name) };
    const drawn = shape ?? (isSeriesDashed(index) ? 'dash' : undefined);
    return drawn === undefined ? item : { ...item, shape: drawn };
  });
}

/** Turns placeholders in fill and stroke attributes into CSS variables. */
export function resolveColors(svg: string): string {
  return svg.replace(
    /(fill|stroke)="#0a0b([0-9a-f]{2})"/g,
    (whole, attribute: string, hex: string) => {
      const role = roles[Number.parseInt(hex, 16)];
      if (role === undefined) return whole;
      return `${attribute}="${paint(role)}"`;
    },
  );
}

/** For an attribute: the role's colour in the scheme of the page, or the light one where the page has no style. */
export function paint(role: Role | 'paper' | 'hatch'): string {
  if (role === 'idle') return 'url(#hatch)';
  return `var(--${role},${LIGHT_COLORS[role]})`;
}
