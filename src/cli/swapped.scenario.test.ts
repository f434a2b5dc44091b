// The designs of `after` in the place of `before`: a run whose `before` does not fail as documented proves nothing,
// and says so with 97. That reason does not come from a busy machine, so these need no machine of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { provenRuns, SWAPPED } from './fixtures/proven-runs.ts';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'platform-swapped-test-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

it.for(['turn1', 'turn2', 'turn3', 'turn4', 'turn5'])(
  '%s: exits 97 with swapped arms',
  async (scenario, context) => {
    const flags = ['--swap-arms'];
    const [result] = await provenRuns(context, [scenario], SWAPPED, { cwd, flags });
    expect(result!.verdict).toBe('unknown');
    expect(Object.keys(result!.arms)).toEqual(['before']);
    if (scenario === 'turn4')
      expect(result!.sentence).toContain('the documented query ran on the hot path (0 calls');
  },
);
