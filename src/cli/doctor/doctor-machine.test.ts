import { expect, test } from 'vitest';
import {
  checkCores,
  checkDisk,
  checkFsync,
  checkLoad,
  checkMemory,
  checkNode,
  checkTimers,
} from './doctor-machine.ts';

const GB = 1024 ** 3;

test.each([
  ['v20.18.3', 'fail'],
  ['v20.19.0', 'ok'],
  ['v18.20.4', 'fail'],
  ['v22.0.0', 'ok'],
  ['v24.11.0', 'ok'],
])('node %s: %s', (version, status) => {
  expect(checkNode(version).status).toBe(status);
});

test.each([
  [checkCores(1, false, 'linux'), 'warn'],
  [checkCores(2, true, 'linux'), 'ok'],
  [checkCores(2, false, 'linux'), 'warn'],
  [checkCores(8, false, 'darwin'), 'ok'],
  [checkLoad(1, 2), 'ok'],
  [checkLoad(1.01, 2), 'warn'],
  [checkMemory(2 * GB), 'ok'],
  [checkMemory(1 * GB), 'warn'],
  [checkDisk(1 * GB, '/c'), 'fail'],
  [checkDisk(2 * GB, '/c'), 'warn'],
  [checkDisk(8 * GB, '/c'), 'ok'],
  [checkTimers(5_000), 'ok'],
  [checkTimers(5_001), 'warn'],
  [checkFsync(null), 'warn'],
  [checkFsync(5), 'warn'],
  [checkFsync(440), 'ok'],
  [checkFsync(25_000), 'warn'],
])('%j is %s', (check, status) => {
  expect(check.status).toBe(status);
  expect(check.fix === undefined).toBe(status === 'ok');
});
