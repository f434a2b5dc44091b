// Designs that break an invariant under the promises of `after`. A violation weighs more than anything a busy machine
// does to a run, so these need no machine of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { provenRuns } from './fixtures/proven-runs.ts';

const planted = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const VIOLATED = { exitCode: 98 };
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'platform-planted-test-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

it("turn1: exits 98 when the sample's sessions are sold under the promises of after", async (context) => {
  const [result] = await provenRuns(context, [planted('planted-turn1.mjs')], VIOLATED, { cwd });
  expect(result!.failed).toContain('after.invariant.logout-final');
  expect(result!.failed).toContain('after.invariant.sessions-survive');
});

it("turn3: exits 98 when the sample's queue is sold under the promises of after", async (context) => {
  const [result] = await provenRuns(context, [planted('planted-turn3.mjs')], VIOLATED, { cwd });
  expect(result!.failed).toContain('after.invariant.audit-once');
});
