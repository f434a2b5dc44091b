import { describe, expect, it } from 'vitest';
import type { OperationTemplate } from '../../../pure/load/workload.ts';
import { requireLoadTool } from './start-load-tool.ts';

const read: OperationTemplate = { name: 'read', weight: 1, method: 'GET', path: '/' };
const retry = { attempts: 2, baseMs: 1, capMs: 1, statuses: [429], onNextInstance: false };

describe.each(['k6', 'autocannon'] as const)('%s, before anything is started', (tool) => {
  it.each([
    [
      'a retry that obeys Retry-After',
      { retry: { ...retry, obeyRetryAfter: true } },
      'depends on earlier',
    ],
    ['the use of ended credentials', { as: 'ended' as const }, 'depends on earlier'],
    [
      'response headers for a checker',
      { captureHeaders: ['retry-after'] },
      'headers of its answers',
    ],
  ])('refuses %s', (_, part, why) => {
    const operations = [
      { ...read, name: 'ordinary' },
      { ...read, ...part },
    ];
    const requireTool = () =>
      requireLoadTool(tool, { ratePerSecond: 10, operations }, { PATH: '' });
    expect(requireTool).toThrow(`--load ${tool} cannot play the operation "read"`);
    try {
      requireTool();
    } catch (error) {
      expect(error).toMatchObject({ exitCode: 2, why: expect.stringContaining(why) });
    }
  });
});

it('undici plays all of them', () => {
  const operations = [{ ...read, captureHeaders: ['a'], retry }];
  expect(() => requireLoadTool('undici', { ratePerSecond: 10, operations })).not.toThrow();
});
