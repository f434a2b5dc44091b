import { describe, expect, it } from 'vitest';
import type { RestRecord } from '../../sim/history.ts';
import { checkAtRest } from './check-at-rest.ts';

const MiB = 1_048_576;
const pools = { open: 'pool_open', idle: 'pool_idle', size: 'pool_size' };
const clean = {
  files: 20,
  inbound: 1,
  outbound: 12,
  other: 30,
  rssBytes: 90 * MiB,
  children: 1,
  'pool_open{pool="requests"}': 4,
  'pool_idle{pool="requests"}': 4,
  'pool_size{pool="requests"}': 10,
  'pool_open{pool="fence"}': 3,
  'pool_idle{pool="fence"}': 3,
  'pool_size{pool="fence"}': 5,
};
const connections = { 'gateway.1 idle': 4, 'gateway.1.fence idle': 3, 'gateway.10 idle': 9 };
type Counts = Readonly<Record<string, number>>;
const record = (when: RestRecord['when'], process: string, counts?: Counts): RestRecord => ({
  kind: 'rest',
  when,
  atUs: 0,
  process,
  ...(counts && { counts }),
});

interface Readings {
  readonly gateway?: readonly Counts[];
  readonly postgres?: readonly Counts[];
  readonly redis?: readonly Counts[];
}
const before = [
  record('before', 'gateway.1', { ...clean, inbound: 250 }),
  record('before', 'postgres', connections),
  record('before', 'redis', { clients: 3 }),
];
const historyOf = ({
  gateway = [clean],
  postgres = [connections],
  redis = [{ clients: 3 }],
}: Readings) => [
  ...before,
  ...gateway.map((counts) => record('after', 'gateway.1', counts)),
  ...postgres.map((counts) => record('after', 'postgres', counts)),
  ...redis.map((counts) => record('after', 'redis', counts)),
];
const check = (history: readonly RestRecord[]) =>
  checkAtRest({ history, pools, postgres: 'postgres', redis: 'redis' });
const checkAfter = (readings: Readings) => check(historyOf(readings));

describe('checkAtRest', () => {
  it('passes when everything is back, and says how much was compared', () => {
    expect(checkAfter({})).toMatchObject({
      verdict: 'pass',
      checked: 9,
      violations: 0,
      witness: [],
    });
  });

  it('allows pools that filled, work between two readings, and a process that compiled its code', () => {
    const filled = {
      ...clean,
      outbound: 18,
      'pool_open{pool="requests"}': 10,
      'pool_idle{pool="requests"}': 10,
    };
    const filledList = { ...connections, 'gateway.1 idle': 10 };
    const busy = { ...clean, 'pool_idle{pool="fence"}': 2, rssBytes: 400 * MiB, files: 22 };
    const busyList = {
      'gateway.1 idle in transaction': 1,
      'gateway.1 idle': 3,
      'gateway.1.fence idle': 3,
    };
    expect(checkAfter({ gateway: [filled], postgres: [filledList] }).verdict).toBe('pass');
    expect(checkAfter({ gateway: [busy, clean], postgres: [busyList, connections] }).verdict).toBe(
      'pass',
    );
    expect(checkAfter({ gateway: [{ ...clean, rssBytes: 500 * MiB }] }).verdict).toBe('pass');
  });

  it('allows a child process its pipes', () => {
    expect(checkAfter({ gateway: [{ ...clean, other: 40 }] }).verdict).toBe('fail');
    expect(checkAfter({ gateway: [{ ...clean, other: 40, children: 2 }] }).verdict).toBe('pass');
  });

  const leaks: readonly [string, Readings, string][] = [
    [
      'a connection of a pool is kept',
      { gateway: [{ ...clean, 'pool_idle{pool="requests"}': 3 }] },
      'connections in use, say the pools',
    ],
    [
      'a transaction stays open',
      { postgres: [{ ...connections, 'gateway.1 idle': 3, 'gateway.1 idle in transaction': 1 }] },
      'open transactions, says PostgreSQL',
    ],
    [
      'an aborted transaction stays open',
      {
        postgres: [
          { ...connections, 'gateway.1 idle': 3, 'gateway.1 idle in transaction (aborted)': 1 },
        ],
      },
      'open transactions, says PostgreSQL',
    ],
    [
      'a connection is in no pool',
      { postgres: [{ ...connections, 'gateway.1 idle': 5 }] },
      'connections, says PostgreSQL',
    ],
    [
      'a socket is kept',
      { gateway: [{ ...clean, outbound: 13 }] },
      'sockets opened, beside the pools',
    ],
    ['a file is kept', { gateway: [{ ...clean, files: 23 }] }, 'files'],
    ['an accepted socket is kept', { gateway: [{ ...clean, inbound: 5 }] }, 'sockets accepted'],
    ['memory grows without bound', { gateway: [{ ...clean, rssBytes: 600 * MiB }] }, 'memory'],
    ['a client of Redis is kept', { redis: [{ clients: 4 }] }, 'clients of Redis'],
  ];
  it.each(leaks)('fails when %s, with the process and the bound', (_, readings, what) => {
    const found = checkAfter(readings);
    expect(found).toMatchObject({ verdict: 'fail', violations: 1, witness: [{ what }] });
    const [{ process, after: measured, bound } = {}] = found.witness;
    expect(['gateway.1', 'redis']).toContain(process);
    expect(measured).toBeGreaterThan(bound as number);
  });

  it('finds a leak in the least of several readings', () => {
    const readings = [15, 13, 14].map((outbound) => ({ ...clean, outbound }));
    expect(checkAfter({ gateway: readings }).witness).toMatchObject([
      { before: 5, after: 6, bound: 5 },
    ]);
  });

  it('is unknown when something could not be read', () => {
    expect(check([])).toMatchObject({ verdict: 'unknown', reason: 'nothing was read at rest' });
    const unread = (process: string) =>
      check(
        historyOf({}).map((one) => (one.process === process ? record(one.when, process) : one)),
      );
    for (const process of ['gateway.1', 'postgres', 'redis'])
      expect(unread(process)).toMatchObject({
        verdict: 'unknown',
        reason: `${process} could not be read before the load`,
      });
    expect(check(before).reason).toBe('gateway.1 could not be read after the load');
  });

  it('passes without the list of a Redis that others share', () => {
    const own = historyOf({}).filter(({ process }) => process !== 'redis');
    expect(check(own).verdict).toBe('pass');
  });

  it('is unknown for a process that does not tell the size of its pools', () => {
    const { files, inbound, outbound, other, rssBytes, children } = clean;
    const silent = { files, inbound, outbound: outbound - 7, other, rssBytes, children };
    const found = checkAfter({ gateway: [silent], postgres: [{}] });
    expect(found).toMatchObject({
      verdict: 'unknown',
      reason: 'gateway.1 does not tell the size of its pools',
    });
  });

  it('reports a leak although something else could not be read', () => {
    const history = historyOf({ gateway: [{ ...clean, outbound: 13 }] });
    const without = history.filter(({ process }) => process !== 'redis');
    expect(check(without).verdict).toBe('fail');
  });
});
