import { expect, it } from 'vitest';
import type { Expected } from './fixtures/proven-runs.ts';
import { SWAPPED, untilProven } from './fixtures/proven-runs.ts';

interface Run {
  readonly exitCode: number;
  readonly reason?: string;
}
const failure = 'the documented failure did not show: p99 did not fail';
const noise = 'the run is not valid: the load generator sent on time (p99 90 ms, limit 10 ms)';

/** Plays the given runs of every scenario, one after another. */
async function play(runs: Readonly<Record<string, readonly Run[]>>, expected: Expected) {
  const calls: string[][] = [];
  const skip = (reason?: unknown): never => {
    throw new Error(`skipped: ${reason}`);
  };
  const left = new Map(Object.entries(runs).map(([name, own]) => [name, [...own]]));
  const ended = untilProven({ skip } as never, Object.keys(runs), expected, async (names) => {
    calls.push([...names]);
    const results = names.map((name) => {
      const { exitCode, reason = noise } = left.get(name)!.shift()!;
      return { scenario: name, exitCode, sentence: reason, arms: { before: { reason } } };
    });
    const code = Math.max(...results.map(({ exitCode }) => exitCode));
    const document = results.length === 1 ? results[0] : { runs: results };
    return { code, stdout: JSON.stringify(document), stderr: '' };
  });
  const outcome = await ended.then(
    (results) => results.map(({ scenario, exitCode }) => `${scenario} ${exitCode}`),
    (error: Error) => error.message,
  );
  return { outcome, calls };
}
const pass = { exitCode: 0 };
const unknown = { exitCode: 97 };

it('repeats what proved nothing, and only that', async () => {
  const { outcome, calls } = await play({ a: [pass], b: [unknown, unknown, pass] }, pass);
  expect(outcome).toEqual(['a 0', 'b 0']);
  expect(calls).toEqual([['a', 'b'], ['b'], ['b']]);
});

it('skips with the reason after three runs that proved nothing', async () => {
  const { outcome, calls } = await play({ a: [unknown, unknown, unknown] }, pass);
  expect(outcome).toBe(`skipped: nothing proved in 3 runs: a exit 97: ${noise}`);
  expect(calls).toHaveLength(3);
});

it.each([1, 3, 98, 99])('fails at once on exit %i', async (exitCode) => {
  const { outcome, calls } = await play({ a: [{ exitCode }, pass] }, pass);
  expect(outcome).toBe(`exit ${exitCode}, expected 0: ${noise}`);
  expect(calls).toHaveLength(1);
});

it('fails at once on a pass where a violation is expected', async () => {
  const { outcome } = await play({ a: [pass] }, { exitCode: 98 });
  expect(outcome).toBe(`exit 0, expected 98: ${noise}`);
});

it('takes an expected 97 for proved only for the expected reason', async () => {
  const { outcome, calls } = await play(
    { a: [unknown, { exitCode: 97, reason: failure }] },
    SWAPPED,
  );
  expect(outcome).toEqual(['a 97']);
  expect(calls).toHaveLength(2);
});

it('fails on a process that ends with another code than its worst result', async () => {
  const skip = () => expect.unreachable();
  const ran = { code: 0, stdout: JSON.stringify({ exitCode: 97, sentence: noise }), stderr: '' };
  const ended = untilProven({ skip } as never, ['a'], pass, async () => ran);
  await expect(ended).rejects.toThrow('exit 0 of a; 1 results, the worst 97');
});

it('shows the errors of a process that ends without a result', async () => {
  const skip = () => expect.unreachable();
  const ran = { code: 3, stdout: '', stderr: 'no Redis' };
  const ended = untilProven({ skip } as never, ['a'], pass, async () => ran);
  await expect(ended).rejects.toThrow('exit 3 without a result:\nno Redis');
});
