import { describe, expect, it } from 'vitest';
import { phase } from '../sim/fixtures/small-scenario.ts';
import { defineArm } from './define.ts';

describe('defineArm', () => {
  it('takes faults on nodes, processes and edges of its own topology, and no others', () => {
    const arm = {
      design: 'shop.after',
      description: 'a shop',
      expected: 'pass',
      mustFail: [],
      topology: {
        nodes: {
          db: { kind: 'postgres' },
          web: { kind: 'process', start: { command: ['web'] }, instances: 2 },
        },
        edges: [
          { from: 'client', to: 'web' },
          { from: 'web', to: 'db', as: 'DATABASE_URL', proxied: true },
        ],
        jobs: [],
      },
    } as const;
    const at = { afterMs: 0 };
    const kill = (name: 'db' | 'web.2') =>
      ({ name, at, fault: { kind: 'kill', target: name, signal: 'SIGKILL' } }) as const;
    const cut = { kind: 'link', target: 'web.1->db', rule: { kind: 'blackhole' } } as const;
    const good = {
      ...phase(),
      faults: [kill('db'), kill('web.2'), { name: 'cut', at, fault: cut }],
    };
    expect(defineArm({ ...arm, phases: [good] }).phases).toHaveLength(1);
    const wrong = { kind: 'kill', target: 'dbb', signal: 'SIGKILL' } as const;
    const bad = { ...phase(), faults: [{ name: 'wrong', at, fault: wrong }] };
    // @ts-expect-error The topology has no node dbb.
    expect(defineArm({ ...arm, phases: [bad] }).phases).toHaveLength(1);
    const lost = { kind: 'link', target: 'web->cache', rule: { kind: 'blackhole' } } as const;
    const cutNothing = { ...phase(), faults: [{ name: 'lost', at, fault: lost }] };
    // @ts-expect-error The topology has no edge to a cache.
    expect(defineArm({ ...arm, phases: [cutNothing] }).phases).toHaveLength(1);
  });
});
