/** What the types of faults refuse; checked by the compiler (`npm run types`). */
import { expect, it } from 'vitest';
import type { FaultSpec } from './fault-plan.ts';
import type { TargetOf, Topology } from './topology.ts';

type Known = TargetOf<Topology<'redis' | 'gateway'>>;
const typed = (...faults: FaultSpec<Known>[]) => faults.length;
const signal = 'SIGKILL';
const rule = { kind: 'blackhole' } as const;

it('compiles with the names of the topology and with no other', () => {
  const right = typed(
    { kind: 'kill', target: 'redis', signal },
    { kind: 'kill', target: 'gateway.2', signal },
    { kind: 'pause', target: 'gateway' },
    { kind: 'link', target: 'gateway->redis', rule },
    { kind: 'link', target: 'gateway.2->redis', rule },
    { kind: 'link', target: 'client->gateway.2', rule },
    { kind: 'failover', target: 'redis' },
    { kind: 'x-power-cut', target: 'redis', rack: 7 },
  );
  const wrong = [
    // @ts-expect-error: a node that is not there.
    typed({ kind: 'kill', target: 'rediss', signal }),
    // @ts-expect-error: a process of a node that is not there.
    typed({ kind: 'pause', target: 'gatway.2' }),
    // @ts-expect-error: an edge is no process.
    typed({ kind: 'kill', target: 'gateway->redis', signal }),
    // @ts-expect-error: a node is no edge.
    typed({ kind: 'link', target: 'redis', rule }),
    // @ts-expect-error: an end that is not there.
    typed({ kind: 'link', target: 'gateway->postgres', rule }),
    // @ts-expect-error: nothing leads to the client.
    typed({ kind: 'link', target: 'gateway->client', rule }),
    // @ts-expect-error: a kind that is neither shipped nor named as a registered one.
    typed({ kind: 'power-cut', target: 'redis' }),
    // @ts-expect-error: data of another kind.
    typed({ kind: 'pause', target: 'redis', signal }),
    // @ts-expect-error: a registered kind names its target as well.
    typed({ kind: 'x-power-cut', target: 'rediss' }),
  ];
  expect([right, ...wrong]).toEqual([8, ...wrong.map(() => 1)]);
});

it('takes any name where the topology is not known', () => {
  const any: FaultSpec[] = [
    { kind: 'kill', target: 'whatever', signal },
    { kind: 'link', target: 'a->b', rule },
  ];
  expect(any).toHaveLength(2);
});
