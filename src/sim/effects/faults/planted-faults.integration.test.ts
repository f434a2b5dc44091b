/**
 * Issue 12, number 2. Faults that have no effect, or half of it, planted one by one: what is measured while each holds
 * contradicts it, so that it is missed and the run proves nothing. The same faults on right parts land.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { FaultSpec } from '../../fault-plan.ts';
import { CONTRADICTED } from '../../pure/faults/fault-summary.ts';
import { sendSignal } from '../process/process-table.ts';
import {
  metricsOf,
  type ProcessBed,
  type ProxiedStore,
  playFault,
  ROUTE,
  type SendSignal,
  startProcessBed,
  startProxiedStore,
  type Verdict,
} from './fixtures/planted-bed.ts';
import { ProxyConnection } from './proxy/connection.ts';
import type { ProxyParts } from './proxy/engine.ts';
import { activateRule, type LinkRule } from './proxy/rule.ts';

let open: (ProxiedStore | ProcessBed)[] = [];
afterEach(async () => {
  await Promise.all(open.map((bed) => bed.close()));
  open = [];
});

const opened = <Bed extends ProxiedStore | ProcessBed>(bed: Bed): Bed => {
  open.push(bed);
  return bed;
};
const landed: Partial<Verdict> = { outcome: 'healed', isValid: true };
const expectMissed = (verdict: Verdict, because: RegExp) => {
  expect(verdict).toMatchObject({ outcome: 'missed', isValid: false });
  expect(verdict.detail).toContain(CONTRADICTED);
  expect(verdict.detail).toMatch(because);
};

const RULES: Readonly<Record<string, LinkRule>> = {
  blackhole: { kind: 'blackhole' },
  'half-open': { kind: 'half-open' },
  reset: { kind: 'reset' },
  latency: { kind: 'latency', meanMs: 40, jitterMs: 10 },
  bandwidth: { kind: 'bandwidth', bytesPerSecond: 1_000 },
};
const link = (rule: string): FaultSpec => ({ kind: 'link', target: ROUTE, rule: RULES[rule]! });

/** Leaves connections that are open when the rule comes as they are. */
class SparedConnection extends ProxyConnection {
  override dropTraffic(): void {}
  override reset(): void {}
}
let created = 0;
const spareAll: ProxyParts['createConnection'] = (...given) => new SparedConnection(...given);
const spareOne: ProxyParts['createConnection'] = (...given) => {
  created += 1;
  return created === 2 ? new SparedConnection(...given) : new ProxyConnection(...given);
};
const activateWithout =
  (direction: 'toServer' | 'toClient'): ProxyParts['activate'] =>
  (rule, random) => ({ ...activateRule(rule, random), [direction]: null });
const halved: ProxyParts['activate'] = (rule, random) =>
  activateRule(rule.kind === 'latency' ? { ...rule, meanMs: rule.meanMs / 2 } : rule, random);
const faster: ProxyParts['activate'] = (rule, random) =>
  activateRule(rule.kind === 'bandwidth' ? { ...rule, bytesPerSecond: 50_000 } : rule, random);

describe('Landed: a rule on an edge', () => {
  it.each(Object.keys(RULES))('%s lands on a proxy that applies it', async (rule) => {
    const { targets } = opened(await startProxiedStore());
    expect(await playFault(link(rule), targets)).toMatchObject(landed);
  });

  const planted: readonly [string, string, Partial<ProxyParts>, RegExp][] = [
    ['blackhole', 'spares the open connections', { createConnection: spareAll }, /bytes forwarded/],
    ['blackhole', 'spares one open connection', { createConnection: spareOne }, /bytes forwarded/],
    ['half-open', 'spares the open connections', { createConnection: spareAll }, /bytes forwarded/],
    [
      'reset',
      'leaves one connection open',
      { createConnection: spareOne },
      /connections left open.*: 1,/,
    ],
    [
      'latency',
      'does not delay requests',
      { activate: activateWithout('toServer') },
      /least delay.*to the server/,
    ],
    [
      'latency',
      'does not delay replies',
      { activate: activateWithout('toClient') },
      /least delay.*to the client/,
    ],
    ['latency', 'delays by half', { activate: halved }, /mean delay/],
    [
      'bandwidth',
      'does not limit replies',
      { activate: activateWithout('toClient') },
      /bytes forwarded.*to the client/,
    ],
    ['bandwidth', 'is too fast', { activate: faster }, /bytes forwarded/],
  ];
  it.each(planted)('%s is missed by a proxy that %s', async (rule, _, parts, because) => {
    created = 0;
    const { targets } = opened(await startProxiedStore(parts));
    expectMissed(await playFault(link(rule), targets), because);
  });
});

const kill: FaultSpec = { kind: 'kill', target: 'node', signal: 'SIGKILL' };
const pause: FaultSpec = { kind: 'pause', target: 'node' };

describe('Landed: a signal to a process', () => {
  it.each([kill, pause])('lands on the process it is meant for: %j', async (fault) => {
    expect(await playFault(fault, opened(startProcessBed()).targets)).toMatchObject(landed);
  });

  const planted: readonly [string, FaultSpec, SendSignal, RegExp][] = [
    [
      'a kill hits another process',
      kill,
      (_, signal, { bystander }) => bystander.kill(signal),
      /still run: 1/,
    ],
    ['a kill is not sent', kill, () => {}, /still run: 1/],
    ['a pause pauses nothing', pause, () => {}, /that were paused: 0/],
    [
      'a pause hits another process',
      pause,
      (_, signal, { bystander }) => bystander.kill(signal),
      /that were paused: 0/,
    ],
    [
      'a pause ends at once',
      pause,
      (pid, signal) => {
        sendSignal(pid, signal);
        if (signal === 'SIGSTOP') setTimeout(() => sendSignal(pid, 'SIGCONT'), 120);
      },
      /CPU time of node/,
    ],
  ];
  it.each(planted)('is missed when %s', async (_, fault, send, because) => {
    expectMissed(await playFault(fault, opened(startProcessBed(send)).targets), because);
  });
});

describe('Landed: the service noticed', () => {
  const metric = 'breaker_opened_total';
  const play = async (
    growth: Readonly<Record<string, number>>,
    processes: 'every' | 'one',
    named = metric,
  ) => {
    const { targets } = opened(await startProxiedStore());
    const noticed = [{ metrics: [named], processes }];
    return await playFault(link('blackhole'), targets, {
      noticed,
      readMetrics: metricsOf(growth, metric),
    });
  };

  it('when its metrics grew in every process, or in one where that is enough', async () => {
    expect(await play({ a: 1, b: 2 }, 'every')).toMatchObject(landed);
    expect(await play({ a: 0, b: 2 }, 'one')).toMatchObject(landed);
  });

  it('and is missed when a process, or all of them, noticed nothing', async () => {
    expectMissed(await play({ a: 0, b: 2 }, 'every'), /increase of breaker_opened_total in a: 0/);
    expectMissed(await play({ a: 0, b: 0 }, 'one'), /in one process: 0/);
  });

  it('and is missed when no process could be read, or none has the metric', async () => {
    expectMissed(await play({}, 'every'), /in one process: not measured/);
    expectMissed(await play({ a: 1 }, 'every', 'other_total'), /other_total in a: not measured/);
  });
});
