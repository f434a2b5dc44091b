import { describe, expect, it } from 'vitest';
import { arm, get, phase, scenario } from '../fixtures/small-scenario.ts';
import type { HistoryRecord, RunRecord } from '../history.ts';
import { resolve } from '../plan/resolve.ts';
import {
  countedBySender,
  ENVIRONMENT,
  NOTHING_OBSERVED,
} from '../pure/fixtures/recorded-history.ts';
import { operation } from '../pure/fixtures/records.ts';
import type { ArmName } from '../result.ts';
import type { Declaration, Invariant } from '../scenario.ts';
import { ResultBuilder } from './result-builder.ts';

const RUN: RunRecord = {
  kind: 'run',
  runId: 'r',
  scenario: 'small',
  startedAt: '2026-01-01T00:00:00.000Z',
  command: 'platform sim small',
  options: { quick: false, seed: 1 },
  environment: ENVIRONMENT,
};
const always: Invariant = {
  id: 'always',
  statement: 'nothing is wrong',
  planted: { planted: 3, caught: 3 },
  check: (history) => ({
    verdict: 'pass',
    checked: history.filter(({ kind }) => kind === 'op').length,
    violations: 0,
    witness: [],
  }),
};

/** 400 operations a second apart 10 ms, in the judged phase and in one step of a search. */
function historyOf(name: ArmName, responseUs: number): HistoryRecord[] {
  const at = (id: number, phaseName: string) =>
    operation(id, {
      phase: phaseName,
      name: 'get',
      scheduledUs: id * 10_000,
      sentUs: id * 10_000 + 10,
      doneUs: id * 10_000 + responseUs,
    });
  const attempts = Array.from({ length: 800 }, (_, id) => at(id, id < 400 ? 'measure' : 'step-1'));
  const of = (phaseName: string, startUs: number, judged: boolean): HistoryRecord => {
    return { kind: 'phase', name: phaseName, startUs, endUs: startUs + 4_000_000, judged };
  };
  return [
    { kind: 'arm', arm: name, design: name, seed: 1, originAt: RUN.startedAt },
    of('measure', 0, true),
    of('step-1', 4_000_000, false),
    ...attempts,
    {
      kind: 'measured',
      ...NOTHING_OBSERVED,
      search: [{ durationMs: 4_000, repeats: null }],
      totals: countedBySender(attempts, attempts.length),
    },
  ];
}

function build(changes: Partial<Declaration> = {}) {
  const phases = [phase({ load: { ...phase().load, operations: [get] } as never })];
  const declared = scenario({
    arms: {
      before: arm({ design: 'small.before', expected: 'fail', mustFail: ['mean'], phases }),
      after: arm({ phases }),
    },
    slos: [
      { id: 'mean', objective: 'latency.mean < 100ms' },
      { id: 'relative', objective: 'latency.p50 < 1x before' },
    ],
    invariants: [always],
    ...changes,
  });
  const builder = new ResultBuilder(resolve(declared, RUN.options), RUN);
  builder.judgeArm('before', historyOf('before', 200_000));
  builder.judgeArm('after', historyOf('after', 20_000));
  const end = { durationMs: 1, aborted: false, arms: [], versions: {} };
  return builder.build(end);
}

describe('ResultBuilder', () => {
  it('carries what an arm measured to the arms after it: references and a rate that failed', () => {
    const { before, after } = build().arms;
    expect(before!.slos.map(({ id }) => id)).toEqual(['mean']);
    expect(after!.slos).toMatchObject([
      { id: 'mean', verdict: 'pass' },
      { id: 'relative', verdict: 'pass', measured: 0.1 },
    ]);
    expect(before!.capacity).toMatchObject({ holdsPerSecond: null, timesBefore: null });
    expect(after!.capacity).toMatchObject({ holdsPerSecond: 100, timesBefore: 1 });
  });

  it('states of each invariant what its checker catches, and what share it would have seen', () => {
    expect(build().arms.after!.invariants).toMatchObject([
      { id: 'always', planted: { planted: 3, caught: 3 }, checked: 800, detectableRate: 3 / 800 },
    ]);
  });

  it('states no share for readings at rest, which are no independent chances', () => {
    const atRest = { ...always, needsRest: true } as const;
    const [judged] = build({ invariants: [atRest] }).arms.after!.invariants;
    expect(judged).not.toHaveProperty('detectableRate');
  });

  it('counts the records of an arm by kind, and what the sender counted by itself', () => {
    const { records, sender } = build().arms.after!;
    expect(records).toMatchObject({ op: 800, phase: 2, fault: 0, effect: 0 });
    expect(sender).toMatchObject({ recorded: 800, retries: 0 });
  });

  it('refuses an arm without measurements, or out of the plan', () => {
    const builder = new ResultBuilder(resolve(scenario(), RUN.options), RUN);
    const whole = historyOf('after', 20_000);
    expect(() => builder.judgeArm('after', whole.slice(0, -1))).toThrow(/no measurements/);
    expect(() => builder.judgeArm('sample', whole)).toThrow(/does not run sample/);
  });
});
