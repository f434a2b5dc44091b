// The designs of `after` in place of `before`: a run whose `before` does not fail as documented proves nothing and
// exits 97. A busy machine does not cause that, so these tests may run beside others.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runUntilProven, swappedArms } from './fixtures/proven-runs.ts';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'platform-swapped-test-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

it.for(['turn1', 'turn2', 'turn3', 'turn4', 'turn5'])(
  '%s: exits 97 with swapped arms',
  async (scenario, context) => {
    const flags = ['--swap-arms'];
    const [result] = await runUntilProven(context, [scenario], swappedArms, { cwd, flags });
    expect(result!.verdict).toBe('unknown');
    expect(Object.keys(result!.arms)).toEqual(['before']);
    if (scenario === 'turn4')
      expect(result!.sentence).toContain('the documented query ran on the hot path (0 calls');
  },
);
