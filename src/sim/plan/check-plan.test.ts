import { describe, expect, it } from 'vitest';
import { UsageError } from '../errors.ts';
import type { PlannedFault } from '../fault-plan.ts';
import { arm, get, open, phase, scenario } from '../fixtures/small-scenario.ts';
import type { Load } from '../load-kinds.ts';
import type { Arm, Declaration, Phase, Slo } from '../scenario.ts';
import { resolve } from './resolve.ts';

const withPhases = (...phases: Phase[]): Partial<Declaration> => ({
  arms: { after: arm({ phases }) },
});
const withArm = (changes: Partial<Arm>): Partial<Declaration> => ({
  arms: { after: arm(changes) },
});
const withSlo = (changes: Partial<Slo>): Partial<Declaration> => ({
  slos: [{ id: 'p99', objective: 'latency.p99 < 1s', ...changes }],
});
const kill = (changes: Partial<PlannedFault> = {}): PlannedFault => ({
  name: 'kill',
  at: { afterMs: 100 },
  fault: { kind: 'kill', target: 'service', signal: 'SIGKILL' },
  ...changes,
});
const withFaults = (...faults: PlannedFault[]) => withPhases(phase({ faults }));

function refusal(changes: Partial<Declaration>, id?: string): UsageError {
  try {
    resolve(
      { ...scenario(changes), ...(id === undefined ? {} : { id }) },
      { quick: false, seed: 1 },
    );
  } catch (error) {
    return error as UsageError;
  }
  throw new Error('it was not refused');
}

describe('checkPlan', () => {
  it('accepts what can be run', () => {
    expect(resolve(scenario(), { quick: false, seed: 1 }).arms).toHaveLength(1);
    const chain = [kill(), kill({ name: 'again', at: { afterMs: 200 }, after: ['kill'] })];
    expect(() => resolve(scenario(withFaults(...chain)), { quick: true, seed: 1 })).not.toThrow();
  });

  it.each<[string, Partial<Declaration>, RegExp, RegExp]>([
    ['no arms', { arms: {} }, /no arms/, /designs/],
    ['no phases', withPhases(), /arm after has no phases/, /nothing to measure/],
    [
      'nothing judged',
      withPhases(phase({ judged: false })),
      /no phase of arm after is judged/,
      /judged phases alone/,
    ],
    [
      'a phase twice',
      withPhases(phase(), phase()),
      /phase "measure" is in arm after twice/,
      /by its name/,
    ],
    [
      'a kind of load that is not there',
      withPhases(phase({ load: { kind: 'x-flood' } })),
      /load of phase "measure" in arm after/,
      /no kind of load "x-flood"; known: open, users, sweep, mix, /,
    ],
    [
      'a load without operations',
      withPhases(phase({ load: open([]) })),
      /no operations in phase "measure"/,
      /at least one/,
    ],
    [
      'a load that cannot be played',
      withPhases(phase({ load: { ...open(), stages: [] } as Load })),
      /load of phase "measure" in arm after cannot be played/,
      /an open workload needs a stage/,
    ],
    [
      'a search that is judged',
      withPhases(
        phase({
          load: {
            kind: 'capacity-search',
            search: { warmUpMs: 1, startPerSecond: 1, factor: 2, maxPerSecond: 9, stepMs: 1 },
            operations: [get],
          },
        }),
      ),
      /phase "measure" of arm after cannot be judged/,
      /judges each of its steps/,
    ],
    [
      'one name for two requests',
      withPhases(phase(), phase({ name: 'more', load: open([{ ...get, path: '/other' }]) })),
      /operation "get" is two different requests/,
      /by their names/,
    ],
    [
      'an id twice',
      { slos: [...withSlo({}).slos!, ...withSlo({}).slos!] },
      /id "p99" is used twice/,
      /by their ids/,
    ],
    [
      'a failure of what is not declared',
      withArm({ expected: 'fail', mustFail: ['p50'] }),
      /arm after may fail "p50", which is not declared/,
      /declared are errors/,
    ],
    [
      'a consequence that is not declared',
      withArm({ expected: 'fail', mustFail: ['errors'], mayFail: ['p50'] }),
      /arm after may fail "p50", which is not declared/,
      /declared are errors/,
    ],
    [
      'an SLO outside the grammar',
      withSlo({ objective: 'p99 < 1s' }),
      /not understood/,
      /Write it/,
    ],
    [
      'an SLO over a phase that is not there',
      withSlo({ phases: ['storm'] }),
      /SLO p99 speaks of phase "storm", which is not there/,
      /the phases are measure/,
    ],
    [
      'a baseline that is not there',
      withSlo({ objective: 'latency.p99 <= 2x', baseline: 'calm' }),
      /SLO p99 speaks of phase "calm", which is not there/,
      /the phases are measure/,
    ],
    [
      'a ratio to nothing',
      withSlo({ objective: 'latency.p99 <= 2x' }),
      /p99 compares with nothing/,
      /baseline phase/,
    ],
    [
      'an SLO over what nobody sends',
      withSlo({ operations: ['put'] }),
      /SLO p99 speaks of operation "put", which is not sent in the judged phases/,
      /sent there: get/,
    ],
    [
      'an SLO over what is sent elsewhere',
      {
        ...withPhases(phase(), phase({ name: 'more', load: open([{ ...get, name: 'put' }]) })),
        ...withSlo({ operations: ['put'], phases: ['measure'] }),
      },
      /operation "put", which is not sent in measure/,
      /sent there: get/,
    ],
    [
      'an SLO against an arm that is not there',
      withSlo({ objective: 'latency.p50 < 3x before' }),
      /p99 compares with before, which is no arm of it/,
      /the arms are after/,
    ],
    [
      'counted work that nobody counts',
      withSlo({ objective: 'cost.statements <= 1' }),
      /p99 speaks of counted work, and no phase counts it/,
      /costPhase/,
    ],
    [
      'costs of a phase that is not there',
      { costPhase: 'calm' },
      /arm after has no phase "calm"/,
      /its phases are measure/,
    ],
    [
      'a diagnosis of a phase that is not there',
      {
        diagnosis: {
          culprit: 'SELECT',
          phase: 'calm',
          metrics: { poolWait: 'w', eventLoopDelay: 'd' },
        },
      },
      /no arm has a phase "calm"/,
      /instruments/,
    ],
    [
      'a fault that waits for what is not sent',
      withFaults(kill({ at: { afterMs: 0, acknowledged: { operation: 'put', lagMs: 0 } } })),
      /fault "kill" of phase "measure" in arm after cannot land/,
      /acknowledged "put"; the phase sends get/,
    ],
    [
      "a fault after the phase's end",
      withFaults(kill({ at: { afterMs: 1_000 } })),
      /fault "kill" .* cannot land/,
      /1000 ms into a phase of 1000 ms/,
    ],
    [
      'a fault after one that is not there',
      withFaults(kill({ after: ['pause'] })),
      /fault "kill" .* cannot land/,
      /after "pause", which is no fault of the phase/,
    ],
    [
      'faults that wait for each other',
      withFaults(kill({ after: ['again'] }), kill({ name: 'again', after: ['kill'] })),
      /fault "kill" .* cannot land/,
      /each waits for the next: kill, again, kill/,
    ],
    [
      'a fault that waits for itself',
      withFaults(kill({ after: ['kill'] })),
      /fault "kill" .* cannot land/,
      /each waits for the next: kill, kill/,
    ],
    [
      'a fault that the service must notice by nothing',
      withFaults(kill({ noticed: [{ metrics: [], processes: 'every' }] })),
      /fault "kill" .* cannot land/,
      /no metric is named/,
    ],
    ['a fault twice', withFaults(kill(), kill()), /fault "kill"/, /the same name/],
    [
      'a fault on a node that is not there',
      withFaults(kill({ fault: { kind: 'kill', target: 'servise', signal: 'SIGKILL' } })),
      /fault "kill" .* cannot land/,
      /no node or process servise; known: service/,
    ],
  ])('refuses %s, in three lines', (_name, changes, what, why) => {
    const error = refusal(changes);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.exitCode).toBe(2);
    expect(error.what).toMatch(/^small: /);
    expect(error.what).toMatch(what);
    expect(error.why).toMatch(why);
    expect(error.toLines().split('\n')).toHaveLength(3);
    expect(error.next).not.toBe('');
  });

  it('refuses an id that is no name of a folder', () => {
    expect(refusal({}, 'Small 1').what).toMatch(/lower-case/);
  });
});
