import { describe, expect, it } from 'vitest';
import type { FaultSpec, FaultTrigger } from '../../fault-plan.ts';
import { describeFault } from './describe-fault.ts';
import type { LinkRule } from './proxy/rule.ts';

const pause: FaultSpec = { kind: 'pause', target: 'redis' };
const textOf = (fault: FaultSpec, at: FaultTrigger = { afterMs: 0 }, forMs?: number) =>
  describeFault({ name: 'any', at, fault, ...(forMs === undefined ? {} : { forMs }) });

describe('describeFault', () => {
  it('describes what is done, when, and until when', () => {
    const kill: FaultSpec = { kind: 'kill', target: 'gateway.2', signal: 'SIGKILL' };
    const at = { afterMs: 0, acknowledged: { operation: 'logout', lagMs: 20 } };
    expect(textOf(kill, at, 500)).toBe(
      'kill -9 of gateway.2, 20 ms after the first acknowledged logout, undone after 500 ms',
    );
  });

  it('tells what shows that the service noticed', () => {
    const noticed = [
      { metrics: ['breaker_opened_total', 'fallbacks_total'], processes: 'every' },
      { metrics: ['lost_total'], processes: 'one', designs: ['turn1.before', 'turn1.after'] },
    ] as const;
    expect(describeFault({ name: 'any', at: { afterMs: 0 }, fault: pause, noticed })).toBe(
      "pause of redis (SIGSTOP), at once, undone at the phase's end, noticed by breaker_opened_total and fallbacks_total in every process, noticed by lost_total in one process at least of turn1.before and turn1.after",
    );
  });

  it.each<[FaultTrigger, RegExp]>([
    [{ afterMs: 0 }, /, at once, undone at the phase's end$/],
    [{ afterMs: 1_500 }, /, 1.5 s into the phase, /],
    [{ afterMs: 0, commitInFlight: true }, /, while a COMMIT is in flight, /],
    [{ afterMs: 200, commitInFlight: true }, /, while a COMMIT is in flight from 200 ms on, /],
    [
      { afterMs: 200, acknowledged: { operation: 'logout', lagMs: 0 } },
      /, at the first acknowledged logout from 200 ms on, /,
    ],
  ])('%j', (at, words) => {
    expect(textOf(pause, at)).toMatch(words);
  });

  it.each<[FaultSpec, string]>([
    [pause, 'pause of redis (SIGSTOP)'],
    [
      { kind: 'kill-backend', target: 'postgres', signal: 'SIGKILL' },
      'kill -9 of one backend of postgres',
    ],
    [{ kind: 'kill', target: 'redis', signal: 'SIGTERM' }, 'kill -TERM of redis'],
  ])('%j', (fault, words) => {
    expect(textOf(fault)).toBe(`${words}, at once, undone at the phase's end`);
  });

  it.each<[LinkRule, string]>([
    [{ kind: 'latency', meanMs: 20, jitterMs: 5 }, '20 ms more, give or take 5 ms, '],
    [{ kind: 'bandwidth', bytesPerSecond: 10_240 }, 'at most 10 KiB a second '],
    [{ kind: 'blackhole' }, 'everything swallowed '],
    [{ kind: 'reset' }, 'connections reset and refused '],
    [{ kind: 'half-open' }, 'connections left half open '],
    [{ kind: 'cut-reply', every: 1 }, 'connection cut before every reply '],
    [{ kind: 'cut-reply', every: 7 }, 'connection cut before one reply in 7 '],
    [{ kind: 'fail-request', k: 3 }, 'request 3 answered with an error '],
  ])('%j', (rule, words) => {
    const text = textOf({ kind: 'link', target: 'gateway.2->redis', rule });
    expect(text.startsWith(words)).toBe(true);
    expect(text).toContain('between gateway.2 and redis, at once');
  });
});
