import { expect, test } from 'vitest';
import { parseCoreList, pinPlan } from './pin-plan.ts';

const linux = { platform: 'linux', hasTaskset: true } as const;

test.each([
  [[0, 1], { postgres: '1', rest: '0' }],
  [[3, 0, 2, 1], { postgres: '3', rest: '0,1,2' }],
  // A container that owns cores 4 to 7 only.
  [[4, 5, 6, 7], { postgres: '7', rest: '4,5,6' }],
])('gives PostgreSQL the last of cores %j', (allowedCores, plan) => {
  expect(pinPlan({ ...linux, allowedCores })).toEqual(plan);
});

test.each([
  ['one core', { ...linux, allowedCores: [0] }],
  ['no taskset', { ...linux, hasTaskset: false, allowedCores: [0, 1] }],
  ['another system', { ...linux, platform: 'darwin' as const, allowedCores: [0, 1] }],
])('pins nothing with %s', (_, machine) => {
  expect(pinPlan(machine)).toBeNull();
});

test.each([
  ['0-1', [0, 1]],
  ['0-2,5,7-8', [0, 1, 2, 5, 7, 8]],
  ['3', [3]],
  ['', []],
])('reads the core list %j', (list, cores) => {
  expect(parseCoreList(list)).toEqual(cores);
});
