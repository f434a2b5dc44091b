/** Which faults a topology can have, and that a kind from outside is one like the others. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FaultSpec, PlannedFault } from '../../fault-plan.ts';
import type { Topology } from '../../topology.ts';
import { createLease } from '../process/lease.ts';
import { UndoStack } from '../process/undo-stack.ts';
import { TestbedEdges } from '../testbed/edges.ts';
import { describeFault, describeFaultGroup } from './describe-fault.ts';
import type { FaultKind } from './fault.ts';
import { FAULT_KINDS, faultProblems } from './fault-kinds.ts';
import { createFaultTargets } from './fault-targets.ts';
import { startNemesis } from './nemesis.ts';

const start = { module: 'services/gateway/main.js' };
const topology: Topology = {
  nodes: {
    postgres: { kind: 'postgres' },
    standby: { kind: 'postgres', standbyOf: 'postgres' },
    redis: { kind: 'redis' },
    cluster: { kind: 'redis', mode: 'cluster' },
    gateway: { kind: 'process', start, instances: 2 },
    receiver: { kind: 'receiver', endpoints: { shop: { kind: 'healthy' } } },
    queue: { kind: 'x-queue' },
  },
  edges: [
    { from: 'gateway', to: 'postgres', proxied: true },
    { from: 'gateway', to: 'redis' },
  ],
  jobs: [],
};
const planned = (fault: FaultSpec, name = 'one'): PlannedFault => ({
  name,
  at: { afterMs: 0 },
  fault,
});
const problems = (fault: FaultSpec) => faultProblems(planned(fault), topology);
const rule = { kind: 'blackhole' } as const;
const signal = 'SIGKILL';
const hanging = { kind: 'hanging' } as const;

describe('faultProblems of a valid fault', () => {
  it.each<FaultSpec>([
    { kind: 'kill', target: 'gateway', signal },
    { kind: 'kill', target: 'cluster.6', signal },
    { kind: 'pause', target: 'receiver' },
    { kind: 'kill-backend', target: 'standby' },
    { kind: 'kill-backend', target: 'queue' },
    { kind: 'link', target: 'gateway.2->postgres', rule },
    { kind: 'failover', target: 'cluster' },
    { kind: 'failover', target: 'postgres' },
    { kind: 'replication-delay', target: 'standby', delayMs: 500 },
    { kind: 'endpoint', target: 'receiver', endpoints: ['shop'], behaviour: hanging },
  ])('%j', (fault) => expect(problems(fault)).toEqual([]));
});

describe('faultProblems of an invalid fault', () => {
  it.each<[FaultSpec, RegExp]>([
    [{ kind: 'kill', target: 'gateway.3', signal }, /^there is no .*did you mean/],
    [{ kind: 'kill', target: 'gateway->postgres', signal }, /is an edge, not a node/],
    [{ kind: 'pause', target: 'nobody' }, /no node or process nobody/],
    [
      { kind: 'kill-backend', target: 'redis' },
      /redis does not have a backend for each client; these have: postgres, standby, queue/,
    ],
    [{ kind: 'kill-backend', target: 'cluster.1' }, /cluster does not have a backend/],
    [
      { kind: 'link', target: 'gateway->redis', rule },
      /edge gateway->redis does not go through the proxy .*; these do: gateway->postgres/,
    ],
    [{ kind: 'link', target: 'gateway->postgre', rule }, /did you mean gateway->postgres\?/],
    [
      { kind: 'link', target: 'gateway->postgres', rule: { kind: 'cut-reply', every: 0 } },
      /every must be at least 1, got 0/,
    ],
    [{ kind: 'failover', target: 'redis' }, /these have: postgres, cluster, queue/],
    [{ kind: 'failover', target: 'cluster.2' }, /cluster\.2 is one process; .* whole of cluster/],
    [{ kind: 'replication-delay', target: 'postgres', delayMs: 1 }, /a primary to follow/],
    [{ kind: 'replication-delay', target: 'standby', delayMs: 0 }, /more than 0, got 0/],
    [
      { kind: 'endpoint', target: 'receiver', endpoints: ['shopp'], behaviour: hanging },
      /no endpoint shopp; known: shop; did you mean shop\?/,
    ],
    [
      { kind: 'endpoint', target: 'receiver', endpoints: [], behaviour: hanging },
      /no endpoint of receiver is named/,
    ],
    [
      {
        kind: 'endpoint',
        target: 'receiver',
        endpoints: ['shop'],
        behaviour: { kind: 'status', status: 99 },
      },
      /status must be between 200 and 599/,
    ],
    [{ kind: 'endpoint', target: 'redis', endpoints: ['a'], behaviour: hanging }, /endpoints/],
    [{ kind: 'x-quake', target: 'redis' }, /no kind of fault x-quake; known: kill, pause, /],
  ])('%j', (fault, problem) => {
    expect(problems(fault)).toEqual([expect.stringMatching(problem)]);
  });

  it('rejects a wait for a COMMIT without a proxied edge to PostgreSQL', () => {
    const commit = {
      ...planned({ kind: 'pause', target: 'redis' }),
      at: { afterMs: 0, commitInFlight: true },
    };
    expect(faultProblems(commit, topology)).toEqual([]);
    expect(faultProblems(commit, { ...topology, edges: [] })).toEqual([
      'it waits for a COMMIT, but no proxied edge leads to PostgreSQL',
    ]);
  });
});

describe('a registered kind', () => {
  interface QuakeSpec {
    readonly kind: 'x-quake';
    readonly target: string;
    readonly magnitude: number;
  }
  const done: string[] = [];
  const quake: FaultKind<QuakeSpec> = {
    kind: 'x-quake',
    describe: ([{ target, magnitude }]) => `an earthquake of ${magnitude} under ${target}`,
    problems: ({ magnitude }) => (magnitude > 9 ? ['nothing is left to measure'] : []),
    create: ({ target, magnitude }, targets) => {
      const { kind } = targets.node(target);
      return {
        async apply() {
          done.push(`apply ${magnitude} to ${kind}`);
          return `${target} shook`;
        },
        undo: async () => void done.push('undo'),
        probe: async () => true,
        decisions: () => [],
      };
    },
  };

  it('is described, checked and applied like a built-in kind', async () => {
    const takeOut = FAULT_KINDS.register(quake);
    const folder = await mkdtemp(path.join(tmpdir(), 'platform-kinds-'));
    const lease = createLease({ runId: 'kinds', cache: folder, reaper: false });
    try {
      const fault = planned({ kind: 'x-quake', target: 'redis', magnitude: 6 }, 'quake');
      expect(describeFault(fault)).toBe(
        "an earthquake of 6 under redis, at once, undone at the phase's end",
      );
      expect(describeFaultGroup([fault, fault])).toBe(
        '2 times an earthquake of 6 under redis, drawn from the seed',
      );
      expect(faultProblems(fault, topology)).toEqual([]);
      expect(problems({ kind: 'x-quake', target: 'redis', magnitude: 10 })).toEqual([
        'nothing is left to measure',
      ]);
      const edges = await TestbedEdges.open({
        topology: { ...topology, edges: [] },
        membersOf: () => [],
        seed: 1,
        cores: null,
        lease,
        undo: new UndoStack(),
        logFile: '',
      });
      const redis = {
        name: 'redis',
        kind: 'redis',
        region: 'local',
        version: null,
        members: [],
        address: { url: 'redis://127.0.0.1:1', urls: ['redis://127.0.0.1:1'], namespace: '' },
        pids: null,
        cores: 'any',
        coreCount: 1,
        capabilities: {},
        readWork: async () => [],
      };
      const nemesis = startNemesis({
        faults: [fault],
        targets: createFaultTargets(topology, new Map([['redis', redis]]), edges),
        nowUs: () => Math.round(performance.now() * 1_000),
        waitForAcknowledged: () => new Promise(() => {}),
        signal: new AbortController().signal,
      });
      await expect.poll(() => done).toEqual(['apply 6 to redis']);
      const { records, problems: failures } = await nemesis.end();
      expect(failures).toEqual([]);
      expect(done).toEqual(['apply 6 to redis', 'undo']);
      expect(records.map(({ name, event, detail }) => [name, event, detail])).toEqual([
        ['quake', 'apply', 'after 0 ms'],
        ['quake', 'landed', 'redis shook'],
        ['quake', 'undo', undefined],
        ['quake', 'healed', 'probe 1 passed'],
      ]);
    } finally {
      takeOut();
      await lease.release();
      await rm(folder, { recursive: true, force: true });
    }
    expect(() => describeFault(planned({ kind: 'x-quake', target: 'redis' }))).toThrow(
      'there is no kind of fault "x-quake"',
    );
  });
});
