import { describe, expect, it } from 'vitest';
import type { OperationTemplate } from '../../../pure/workload.ts';
import { requireLoadTool } from './start-load-tool.ts';

const read: OperationTemplate = { name: 'read', weight: 1, method: 'GET', path: '/' };
const retry = { attempts: 2, baseMs: 1, capMs: 1, statuses: [429], elsewhere: false };

describe.each(['k6', 'autocannon'] as const)('%s, before anything is started', (tool) => {
  it.each([
    ['an obedient retry', { retry: { ...retry, obeyRetryAfter: true } }, 'depends on earlier'],
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
    const asked = () => requireLoadTool(tool, { ratePerSecond: 10, operations }, { PATH: '' });
    expect(asked).toThrow(`--load ${tool} cannot play the operation "read"`);
    try {
      asked();
    } catch (error) {
      expect(error).toMatchObject({ exitCode: 2, why: expect.stringContaining(why) });
    }
  });
});

it('undici plays all of them', () => {
  const operations = [{ ...read, captureHeaders: ['a'], retry }];
  expect(() => requireLoadTool('undici', { ratePerSecond: 10, operations })).not.toThrow();
});
