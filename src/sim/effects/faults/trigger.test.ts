import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { awaitTrigger, describeTrigger, type TriggerEvents } from './trigger.ts';

const never = () => new Promise<never>(() => {});
const events = (overrides: Partial<TriggerEvents> = {}): TriggerEvents => ({
  waitForAcknowledged: never,
  waitForCommitInFlight: null,
  ...overrides,
});
const limits = (limitMs = 1_000) => ({ limitMs, signal: new AbortController().signal });

describe('awaitTrigger', () => {
  it('does not wait longer than the latest time for an event that a design never causes', async () => {
    const withoutCommit = { waitForCommitInFlight: () => new Promise<void>(() => {}) };
    const at = { afterMs: 0, commitInFlight: true, latestMs: 5 };
    expect(await awaitTrigger(at, events(withoutCommit), limits())).toMatch(
      /^without its event, after 5 ms: nothing came/,
    );
    const withCommit = { waitForCommitInFlight: async () => {} };
    expect(await awaitTrigger(at, events(withCommit), limits())).toBe(
      'while a COMMIT is in flight',
    );
  });

  it('waits for the time, then for the event, then for the lag', async () => {
    const seen: string[] = [];
    const waitForAcknowledged = async (operation: string) => {
      seen.push(operation);
      await sleep(10);
      seen.push('answered');
    };
    const at = { afterMs: 5, acknowledged: { operation: 'logout', lagMs: 5 } };
    const due = awaitTrigger(at, events({ waitForAcknowledged }), limits()).then(() =>
      seen.push('due'),
    );
    expect(seen).toEqual([]);
    await due;
    expect(seen).toEqual(['logout', 'answered', 'due']);
  });

  it('waits for a COMMIT with the limit', async () => {
    const limitsMs: number[] = [];
    const waitForCommitInFlight = async (limitMs: number) => void limitsMs.push(limitMs);
    await awaitTrigger(
      { afterMs: 0, commitInFlight: true },
      events({ waitForCommitInFlight }),
      limits(7),
    );
    expect(limitsMs).toEqual([7]);
  });

  it('gives up on an event that never comes', async () => {
    const at = { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 0 } };
    await expect(awaitTrigger(at, events(), limits(10))).rejects.toThrow('nothing within 0.01 s');
  });

  it.each([
    { afterMs: 60_000 },
    { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 0 } },
    { afterMs: 0, commitInFlight: true },
  ])('ends with the reason of its signal: %j', async (at) => {
    const ending = new AbortController();
    const all = events({ waitForCommitInFlight: never });
    const due = awaitTrigger(at, all, { limitMs: 60_000, signal: ending.signal });
    setTimeout(() => ending.abort(new Error('the phase ended first')), 5);
    await expect(due).rejects.toThrow('the phase ended first');
  });

  it('rejects a wait for a COMMIT without a proxied edge', async () => {
    const due = awaitTrigger({ afterMs: 0, commitInFlight: true }, events(), limits());
    await expect(due).rejects.toThrow('no proxied edge');
  });
});

describe('describeTrigger', () => {
  it.each([
    [{ afterMs: 200 }, 'after 200 ms'],
    [
      { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 120 } },
      '120 ms after an acknowledged logout',
    ],
    [{ afterMs: 9, commitInFlight: true }, 'while a COMMIT is in flight'],
  ])('%j', (at, text) => expect(describeTrigger(at)).toBe(text));
});
