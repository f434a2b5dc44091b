/** What the kinds do with what a node can do; the nodes' own abilities are tested beside the nodes. */
import { describe, expect, it } from 'vitest';
import type { FaultSpec } from '../../../fault-plan.ts';
import type { Edges } from '../../testbed/edges.ts';
import type { Member, NodeCapabilities, RunningNode } from '../../testbed/node.ts';
import { createFault } from '../fault-kinds.ts';
import { createFaultTargets } from '../fault-targets.ts';

/** One process that is up, paused or down, and says so. */
function memberOf(name: string, events: string[]): Member {
  let state = 'up';
  let pid = 7;
  return {
    name,
    url: 'http://127.0.0.1:1',
    pid: () => pid,
    pids: () => [pid],
    async signal(signal) {
      events.push(`${signal} ${name}`);
      state = { SIGSTOP: 'paused', SIGCONT: 'up', SIGKILL: 'down', SIGTERM: 'down' }[signal];
      return `${signal} to ${name}, process 7`;
    },
    async restart() {
      events.push(`restart ${name}`);
      state = 'up';
      pid += 1;
    },
    probe: async () => state === 'up' || `${name} is ${state}`,
  };
}

function bed(capabilities: NodeCapabilities, names: readonly string[] = ['node.1', 'node.2']) {
  const events: string[] = [];
  const url = 'http://127.0.0.1:1';
  const node: RunningNode = {
    name: 'node',
    kind: 'x-any',
    region: 'local',
    version: null,
    pids: null,
    members: names.map((name) => memberOf(name, events)),
    address: { url, urls: [url], namespace: '' },
    cores: 'any',
    coreCount: 1,
    capabilities,
    readWork: async () => [],
  };
  const nodes = { node: { kind: 'x-any' }, redis: { kind: 'redis' } } as const;
  const external = { ...node, name: 'redis', kind: 'redis', members: [] };
  const targets = createFaultTargets(
    { nodes, edges: [], jobs: [] },
    new Map([
      ['node', node],
      ['redis', external],
    ]),
    // No kind but `link` looks at it.
    null as unknown as Edges,
  );
  return { events, make: (spec: FaultSpec) => createFault(spec, targets) };
}

describe('kill and pause', () => {
  it.each<[FaultSpec, string, string]>([
    [{ kind: 'kill', target: 'node', signal: 'SIGTERM' }, 'SIGTERM', 'restart'],
    [{ kind: 'pause', target: 'node' }, 'SIGSTOP', 'SIGCONT'],
  ])('act on every process of a node: %j', async (spec, applied, undone) => {
    const { events, make } = bed({});
    const fault = make(spec);
    await fault.undo();
    expect(events).toEqual([]);
    expect(await fault.apply()).toBe(
      `${applied} to node.1, process 7; ${applied} to node.2, process 7`,
    );
    expect(await fault.probe()).toMatch(/^node\.1 is /);
    await fault.undo();
    await fault.undo();
    expect(await fault.probe()).toBe(true);
    expect(events).toEqual([
      ...['node.1', 'node.2'].map((name) => `${applied} ${name}`),
      ...['node.1', 'node.2'].map((name) => `${undone} ${name}`),
    ]);
  });

  it('act on the named process, and reject unknown processes and servers of the operator', async () => {
    const { events, make } = bed({});
    await make({ kind: 'kill', target: 'node.2', signal: 'SIGKILL' }).apply();
    expect(events).toEqual(['SIGKILL node.2']);
    expect(() => make({ kind: 'pause', target: 'node.3' })).toThrow('no process node.3; known:');
    expect(() => make({ kind: 'pause', target: 'other' })).toThrow('no node or process other');
    expect(() => make({ kind: 'pause', target: 'redis' })).toThrow(/REDIS_URL names a server/);
  });
});

describe('a fault that needs a capability of the node', () => {
  it.each<[FaultSpec, string]>([
    [{ kind: 'kill-backend', target: 'node' }, 'node has no backends to signal'],
    [{ kind: 'failover', target: 'node' }, 'node has nothing that can take over'],
    [{ kind: 'replication-delay', target: 'node', delayMs: 5 }, 'node follows no primary'],
    [
      { kind: 'endpoint', target: 'node', endpoints: ['a'], behaviour: { kind: 'hanging' } },
      'node has no endpoints',
    ],
  ])('is refused without it: %j', (spec, message) => {
    expect(() => bed({}).make(spec)).toThrow(message);
  });

  it('kills a backend, SIGKILL by default; the server recovers by itself', async () => {
    const struck: string[] = [];
    const { events, make } = bed({
      signalBackend: async (signal) => {
        struck.push(signal);
        return `${signal} to busy backend 9`;
      },
    });
    const fault = make({ kind: 'kill-backend', target: 'node' });
    expect(await fault.apply()).toBe('SIGKILL to busy backend 9');
    await make({ kind: 'kill-backend', target: 'node', signal: 'SIGTERM' }).apply();
    await fault.undo();
    expect(await fault.probe()).toBe(true);
    expect([struck, events]).toEqual([['SIGKILL', 'SIGTERM'], []]);
  });

  it('fails over and restarts the old primary, once', async () => {
    const done: string[] = [];
    const { make } = bed({
      failover: {
        apply: async () => `took over ${done.push('apply')}`,
        undo: async () => void done.push('undo'),
        probe: async () => done.includes('undo') || 'one is missing',
      },
    });
    const fault = make({ kind: 'failover', target: 'node' });
    await fault.undo();
    expect(await fault.apply()).toBe('took over 1');
    expect(await fault.probe()).toBe('one is missing');
    await fault.undo();
    await fault.undo();
    expect(await fault.probe()).toBe(true);
    expect(done).toEqual(['apply', 'undo']);
  });

  it('delays a standby, and is healed when it has caught up', async () => {
    let delayMs = 0;
    let lag: { bytes: number; replayUs: number | null } = { bytes: 0, replayUs: 0 };
    const { make } = bed({
      replication: {
        lag: async () => lag,
        delay: async (ms) => {
          delayMs = ms;
        },
      },
    });
    const fault = make({ kind: 'replication-delay', target: 'node', delayMs: 1_500 });
    expect(await fault.apply()).toBe('node replays 1.5 s later');
    expect(delayMs).toBe(1_500);
    lag = { bytes: 900, replayUs: 1_400_000 };
    await fault.undo();
    expect(delayMs).toBe(0);
    expect(await fault.probe()).toBe('node is still 900 bytes behind');
    lag = { bytes: 900, replayUs: 100 };
    expect(await fault.probe()).toBe(true);
    // Nothing is written: how old the last replayed change is says nothing.
    lag = { bytes: 0, replayUs: 9_000_000 };
    expect(await fault.probe()).toBe(true);
  });

  it('changes endpoints and probes that they are restored', async () => {
    const behaviours = new Map([
      ['a', 'healthy'],
      ['b', 'slow'],
    ]);
    const { make } = bed({
      endpoints: {
        names: ['a', 'b'],
        set: async (names, { kind }) => {
          for (const name of names) behaviours.set(name, String(kind));
        },
        reset: async (names) => {
          for (const name of names) behaviours.set(name, name === 'a' ? 'healthy' : 'slow');
        },
        behaviourOf: async (name) => behaviours.get(name)!,
      },
    });
    const behaviour = { kind: 'status', status: 503 } as const;
    const spec = { kind: 'endpoint', target: 'node', endpoints: ['a', 'b'], behaviour } as const;
    const fault = make(spec);
    expect(await fault.probe()).toBe(true);
    await fault.undo();
    expect(await fault.apply()).toBe('endpoints a, b of node answering 503');
    expect(await fault.probe()).toBe('a, b of node did not change back');
    await fault.undo();
    expect(await fault.probe()).toBe(true);
    expect(() => make({ ...spec, endpoints: ['c'] })).toThrow('node has no endpoint c');
  });
});
