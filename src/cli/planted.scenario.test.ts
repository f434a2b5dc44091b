// Designs that break an invariant in place of `after`. A violation decides the verdict on a busy machine too, so these
// tests may run beside others.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runUntilProven } from './fixtures/proven-runs.ts';

const planted = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const VIOLATED = { exitCode: 98 };
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'platform-planted-test-'));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

it("turn1: exits 98 when after runs the sample's sessions", async (context) => {
  const [result] = await runUntilProven(context, [planted('planted-turn1.mjs')], VIOLATED, { cwd });
  expect(result!.failed).toContain('after.invariant.logout-final');
  expect(result!.failed).toContain('after.invariant.sessions-survive');
});

it("turn3: exits 98 when after runs the sample's queue", async (context) => {
  const [result] = await runUntilProven(context, [planted('planted-turn3.mjs')], VIOLATED, { cwd });
  expect(result!.failed).toContain('after.invariant.audit-once');
});
