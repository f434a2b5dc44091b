import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scenarios } from '../../scenarios/index.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import { createRandom } from '../../sim/pure/random.ts';
import type { ArmResult, Result } from '../../sim/result.ts';
import { captureIo } from '../fixtures/captured-io.ts';
import { runCli } from '../run-cli.ts';
import {
  recordedHistories,
  recordedResult,
  recordedScenario,
  wholeHistory,
  writeRun,
} from './fixtures/recorded-run.ts';

const result = recordedResult();
const history = wholeHistory(recordedHistories);
const root = fileURLToPath(new URL('../../..', import.meta.url));

let folder = '';
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'platform-verify-'));
  await writeRun(folder, { result, history });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function platform(...argv: string[]) {
  const io = captureIo({});
  const hooks = { on: () => hooks, off: () => hooks, exit: () => undefined } as never;
  const runScenario = () => Promise.reject(new Error('verify must not run anything'));
  const known = [...scenarios, recordedScenario];
  const code = await runCli(argv, { scenarios: known, runScenario, io, process: hooks });
  await new Promise((resolve) => setImmediate(resolve));
  return { code, stdout: io.out(), lines: io.errors().trimEnd().split('\n') };
}
const verify = (...flags: string[]) => platform('verify', folder, ...flags);

it('a result states what share of violations each checker without a finding would have seen', () => {
  const [lossy, clean] = [result.arms.before!, result.arms.after!].map(
    ({ invariants }) => invariants.find(({ id }) => id === 'audit-once')!,
  );
  expect(clean).toMatchObject({ violations: 0, detectableRate: 3 / clean!.checked });
  expect(lossy).not.toHaveProperty('detectableRate');
});

describe('platform verify', () => {
  it('accepts an unchanged run, also one with a recorded violation', async () => {
    const { code, stdout } = await verify();
    expect(stdout).toContain('4 files match manifest.json');
    expect(stdout).toContain('its result, computed again from the history, is result.json');
    expect(stdout).toMatch(/before\.invariant\.audit-once: fail \(20 violations in \d+\)/);
    expect(stdout).toMatch(/after\.invariant\.audit-once: pass \(0 violations in \d+\)/);
    expect(code).toBe(0);
  });

  it('fails for one flipped byte in any file, and names the file', async () => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    expect(files).toHaveLength(5);
    for (const entry of files) {
      const file = path.join(entry.parentPath, entry.name);
      const bytes = readFileSync(file);
      const flipped = Buffer.from(bytes);
      flipped[bytes.length >> 1]! ^= 1;
      writeFileSync(file, flipped);
      const { code, lines } = await verify();
      expect([code, lines.length]).toEqual([97, 3]);
      expect(lines[0]).toMatch(/was changed after the run$/);
      expect(lines[1]).toMatch(new RegExp(`^${path.relative(folder, file)} (changed|not a)`));
      expect(lines[2]).toMatch(/^next: ./);
      writeFileSync(file, bytes);
    }
    expect((await verify()).code).toBe(0);
  });

  it('prints one JSON document, for an unchanged and a changed run', async () => {
    const whole = JSON.parse((await verify('--json')).stdout) as Record<string, unknown>;
    expect(whole).toMatchObject({ ok: true, notRecomputed: null, differences: [] });
    expect(whole.checkers).toHaveLength(2);
    writeFileSync(path.join(folder, 'logs', 'stray.log'), '');
    const { code, stdout } = await verify('--json');
    expect(code).toBe(97);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: [{ path: 'logs/stray.log', problem: 'not in the manifest' }],
    });
  });

  it('names what a desktop left in the folder, and takes it for no tampering', async () => {
    for (const file of ['.DS_Store', 'logs/Thumbs.db', '._report.md'])
      writeFileSync(path.join(folder, file), 'x');
    const { code, stdout } = await verify();
    expect(stdout).toContain('not part of the run: .DS_Store, ._report.md, logs/Thumbs.db');
    expect(code).toBe(0);
    for (const file of ['logs/DS_Store', '.hidden', 'logs/.DS_Store.json']) {
      writeFileSync(path.join(folder, file), 'x');
      expect((await verify()).code, file).toBe(97);
      rmSync(path.join(folder, file));
    }
  });

  it('refuses a folder without a manifest, and a run that is not there', async () => {
    rmSync(path.join(folder, 'manifest.json'));
    const { code, lines } = await verify();
    expect([code, lines.length]).toEqual([97, 3]);
    expect(lines[1]).toContain('no manifest.json');
    const nowhere = await platform('verify', path.join(folder, 'nowhere'));
    expect([nowhere.code, nowhere.lines.length]).toEqual([2, 3]);
  });

  it('requires --scenario for a scenario that is not built in', async () => {
    await writeRun(folder, { result: { ...result, scenario: 'mine' }, history });
    const { code, lines } = await verify();
    expect([code, lines.length]).toEqual([2, 3]);
    expect(lines[2]).toContain('--scenario');
  });

  it('still matches after reports are rebuilt, and still fails if it failed before', async () => {
    expect((await platform('report', folder, '--format', 'md,junit')).code).toBe(0);
    expect((await verify()).code).toBe(0);
    writeFileSync(path.join(folder, 'logs', 'before', 'gateway.log'), 'edited!!!\n');
    await platform('report', folder, '--format', 'md');
    expect((await verify()).code).toBe(97);
  });
});

/** Every edit comes with a new manifest, so that each file is what its manifest says. */
describe('a result that was edited, with a manifest of the edited files', () => {
  const editArm = (edit: (arm: ArmResult) => Partial<ArmResult>): Result => {
    const after = result.arms.after!;
    return { ...result, arms: { ...result.arms, after: { ...after, ...edit(after) } } };
  };
  const [firstSlo, ...otherSlos] = result.arms.after!.slos;
  const edits: readonly (readonly [string, Result, string])[] = [
    ['the verdict', { ...result, verdict: 'fail' }, 'verdict is "pass", recorded as "fail"'],
    ['the exit code', { ...result, exitCode: 99 }, 'exitCode is 0, recorded as 99'],
    [
      "an arm's verdict",
      editArm(() => ({ verdict: 'unknown' })),
      'arms.after.verdict is "pass", recorded as "unknown"',
    ],
    [
      "an SLO's measured value",
      editArm(() => ({ slos: [{ ...firstSlo!, measured: 1_234 }, ...otherSlos] })),
      'arms.after.slos.p99.measured is ',
    ],
    [
      'a check of validity',
      editArm(({ validity }) => ({
        validity: validity.map((check) => ({ ...check, measured: 'p99 0.1 ms' })),
      })),
      'arms.after.validity.send-lag.measured is ',
    ],
    [
      'a percentile',
      editArm(({ latency }) => ({ latency: { ...latency, p95Us: latency.p95Us - 1 } })),
      'arms.after.latency.p95Us is ',
    ],
    [
      'a point of a chart',
      editArm(({ timeline }) => ({ timeline: { ...timeline, points: timeline.points.slice(1) } })),
      'arms.after.timeline.points.0',
    ],
    [
      'an invariant',
      editArm(({ invariants }) => ({
        invariants: invariants.map((one) => ({ ...one, checked: one.checked + 1 })),
      })),
      'arms.after.invariants.audit-once.checked is ',
    ],
    ['the machine', { ...result, environment: { ...result.environment, cores: 64 } }, 'cores is 2'],
    [
      'the sender',
      editArm(({ sender }) => ({ sender: { ...sender!, retries: 0 } })),
      'arms.after.sender.retries is ',
    ],
  ];

  it.each(edits)('is refused when %s was edited', async (_what, edited, named) => {
    await writeRun(folder, { result: edited, history });
    const { code, lines } = await verify();
    expect(lines.join('\n')).toContain(named);
    expect([code, lines.length]).toEqual([98, 3]);
  });

  it('is refused when an arm was removed, or all arms', async () => {
    const { before, ...others } = result.arms;
    for (const arms of [{ before }, others, {}]) {
      await writeRun(folder, { result: { ...result, arms: arms as Result['arms'] }, history });
      expect((await verify()).code).toBe(98);
    }
  });

  it('is refused when it claims to be of a version that kept no measurements', async () => {
    const stripped = Object.entries(result.arms).map(([name, arm]) => {
      const { sender: _, records: __, invariants, ...rest } = arm;
      const older = invariants.map(({ detectableRate: ___, ...one }) => one);
      return [name, { ...rest, invariants: older }] as const;
    });
    const arms = Object.fromEntries(stripped);
    const old = { ...result, schema: 'platform-sim/result@2', arms };
    await writeRun(folder, { result: old, history });
    expect((await verify()).code).toBe(98);
  });
});

describe('a history that was edited, with a manifest of the edited files', () => {
  const random = createRandom(7);
  const edits: readonly (readonly [string, readonly HistoryRecord[]])[] = [
    [
      'one percent of its operations',
      history.filter(({ kind }) => kind !== 'op' || random.next() >= 0.01),
    ],
    ['one percent of its lines', history.filter((_, index) => index % 100 !== 50)],
    ['all fault lines', history.filter(({ kind }) => kind !== 'fault')],
    ['all metric lines', history.filter(({ kind }) => kind !== 'metric')],
    ['all facts', history.filter(({ kind }) => kind !== 'effect')],
    [
      'scheduled instants, set to the send',
      history.map((one) =>
        one.kind === 'op' && one.sentUs >= 0 ? { ...one, scheduledUs: one.sentUs } : one,
      ),
    ],
    [
      'sends, set to the scheduled instant',
      history.map((one) =>
        one.kind === 'op' && one.sentUs >= 0 ? { ...one, sentUs: one.scheduledUs } : one,
      ),
    ],
    [
      "the sender's totals",
      history.map((one) =>
        one.kind === 'measured' ? { ...one, totals: { ...one.totals, retries: 0 } } : one,
      ),
    ],
    ['the end of an arm', history.filter(({ kind }) => kind !== 'measured')],
    ['the end of the run', history.slice(0, -1)],
    ['everything', []],
  ];

  it.each(edits)('is refused when it lost or changed %s', async (_what, edited) => {
    await writeRun(folder, { result, history: edited });
    const { code, lines } = await verify();
    expect([97, 98]).toContain(code);
    expect(lines).toHaveLength(3);
  });

  it('is refused when it is not there', async () => {
    rmSync(path.join(folder, 'history.ndjson.gz'));
    await writeRun(folder, { result, history: null });
    const { code, lines } = await verify();
    expect([code, lines.length]).toEqual([97, 3]);
    expect(lines[1]).toContain('no history.ndjson.gz');
  });
});

describe('the baselines', () => {
  const baselines = ['turn1', 'turn2', 'turn3', 'turn4', 'turn5'];

  it.each(baselines)('of %s is accepted, and says that it was not computed again', async (turn) => {
    const { code, stdout } = await platform(
      'verify',
      path.join(root, 'reports', 'baselines', turn),
    );
    expect(stdout).toContain('its verdicts follow from its figures; they were not computed again');
    expect(code).toBe(0);
  });
});
