/**
 * Leaks: what each process holds when the load has ended and everything is at rest, against what it held before the load
 * and the size of its pools. A leak is in every reading, work at rest in few, so the least of the readings after the load
 * counts, and the most of those before.
 *
 * Bounds, for each process:
 *   connections in use        none of a pool; none in a transaction, says PostgreSQL
 *   connections               the pools' size, and none that the pools do not know, says PostgreSQL
 *   sockets it opened         as before, beside the pools' connections
 *   files                     2 more than before: a log that is opened when it is needed
 *   sockets it accepted       4, which are the harness's
 *   pipes, other descriptors  4 more than before, and 8 for each child process more
 *   memory                    3 times as before and 256 MiB: code is compiled, and caches fill
 * Redis: as many clients as before. Of a server that others share nothing is read; its sockets are those of the processes.
 */
import type { HistoryRecord, RestRecord } from '../../sim/history.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import { concludeCheck } from '../../sim/pure/judge/check-result.ts';

/** Names of the gauges of a process's pools. */
export interface PoolGauges {
  readonly open: string;
  readonly idle: string;
  readonly size: string;
}

export interface RestInput {
  readonly history: readonly HistoryRecord[];
  readonly pools: PoolGauges;
  /** Names of the nodes of each kind of store. */
  readonly postgres: string;
  readonly redis: string;
}

const MiB = 1_048_576;
const ACCEPTED = 4;
const FILES = 2;
const OTHER = { more: 4, perChild: 8 } as const;
const MEMORY = { times: 3, bytes: 256 * MiB } as const;
const MAX_WITNESS = 10;

type Counts = Readonly<Record<string, number>>;

interface Finding {
  readonly process: string;
  readonly what: string;
  readonly before: number | null;
  readonly after: number;
  readonly bound: number;
}

export function checkAtRest(input: RestInput): CheckResult {
  const readings = input.history.filter((record) => record.kind === 'rest');
  const names = [...new Set(readings.map(({ process }) => process))];
  const isProcess = (name: string) => name !== input.postgres && name !== input.redis;
  const processes = names.filter(isProcess);
  const findings = names.flatMap((name) => {
    const [before, after] = (['before', 'after'] as const).map((when) =>
      countsOf(readings, name, when),
    );
    if (before!.length === 0 || after!.length === 0) return [];
    if (name === input.redis) return [redisFinding(name, before!, after!)];
    if (name === input.postgres) return [];
    return [
      ...descriptorFindings(name, before!, after!, input.pools),
      ...poolFindings(name, after!, input.pools),
      ...connectionFindings(name, readings, input),
    ];
  });
  const leaks = findings.filter(({ after, bound }) => after > bound);
  return concludeCheck({
    checked: findings.length,
    violations: leaks.length,
    witness: leaks.slice(0, MAX_WITNESS).map((leak) => ({ ...leak })),
    gap: findGap(readings, processes, input),
    figures: [
      {
        id: 'sockets-gained',
        label: 'sockets gained by a process over the load',
        value: mostGained(findings),
        unit: 'count',
      },
    ],
  });
}

function countsOf(
  readings: readonly RestRecord[],
  name: string,
  when: RestRecord['when'],
): readonly Counts[] {
  return readings
    .filter((record) => record.process === name && record.when === when)
    .flatMap(({ counts }) => (counts === undefined ? [] : [counts]));
}

function redisFinding(
  process: string,
  before: readonly Counts[],
  after: readonly Counts[],
): Finding {
  const clients = ({ clients: count = 0 }: Counts) => count;
  const bound = most(before, clients);
  return { process, what: 'clients of Redis', before: bound, after: least(after, clients), bound };
}

function descriptorFindings(
  process: string,
  before: readonly Counts[],
  after: readonly Counts[],
  pools: PoolGauges,
): Finding[] {
  const compare = (
    what: string,
    of: (counts: Counts) => number,
    boundOf: (most: number) => number,
  ): Finding => {
    const from = most(before, of);
    return { process, what, before: from, after: least(after, of), bound: boundOf(from) };
  };
  const count = (name: string) => (counts: Counts) => counts[name] ?? 0;
  const moreChildren = Math.max(
    0,
    most(after, count('children')) - most(before, count('children')),
  );
  return [
    compare(
      SOCKETS,
      (counts) => count('outbound')(counts) - sumOf(counts, pools.open),
      (from) => from,
    ),
    compare('files', count('files'), (from) => from + FILES),
    compare('sockets accepted', count('inbound'), () => ACCEPTED),
    compare(
      'other descriptors',
      count('other'),
      (from) => from + OTHER.more + OTHER.perChild * moreChildren,
    ),
    compare('memory', count('rssBytes'), (from) => MEMORY.times * from + MEMORY.bytes),
  ];
}

const SOCKETS = 'sockets opened, beside the pools';

/** By the gauges of the process itself. */
function poolFindings(process: string, after: readonly Counts[], pools: PoolGauges): Finding[] {
  const inUse = (counts: Counts) => sumOf(counts, pools.open) - sumOf(counts, pools.idle);
  const what = 'connections in use, say the pools';
  return [{ process, what, before: null, after: least(after, inUse), bound: 0 }];
}

/** By PostgreSQL's own list, in readings of the same round as the process's. */
function connectionFindings(
  process: string,
  readings: readonly RestRecord[],
  { postgres, pools }: RestInput,
): Finding[] {
  const own = countsOf(readings, process, 'after');
  const listed = countsOf(readings, postgres, 'after');
  if (listed.length === 0) return [];
  const count = (counts: Counts, isState: (state: string) => boolean) =>
    Object.entries(counts).reduce((sum, [key, connections]) => {
      const [application = '', ...state] = key.split(' ');
      const isOwn = application === process || application.startsWith(`${process}.`);
      return isOwn && isState(state.join(' ')) ? sum + connections : sum;
    }, 0);
  const all = least(listed, (counts) => count(counts, () => true));
  const open = least(listed, (counts) =>
    count(counts, (state) => state.startsWith('idle in transaction')),
  );
  const size = most(own, (counts) => sumOf(counts, pools.size));
  const known = most(own, (counts) => sumOf(counts, pools.open));
  const at = { process, before: null };
  return [
    { ...at, what: 'open transactions, says PostgreSQL', after: open, bound: 0 },
    { ...at, what: 'connections, says PostgreSQL', after: all, bound: Math.min(size, known) },
  ];
}

/** Sum of a gauge over its labels. */
function sumOf(counts: Counts, gauge: string): number {
  return Object.entries(counts).reduce(
    (sum, [key, value]) => (key === gauge || key.startsWith(`${gauge}{`) ? sum + value : sum),
    0,
  );
}

/** Why a pass would prove nothing; null: it proves something. */
function findGap(
  readings: readonly RestRecord[],
  processes: readonly string[],
  { postgres, redis, pools }: RestInput,
): string | null {
  if (processes.length === 0) return 'nothing was read at rest';
  const stores = readings.some(({ process }) => process === redis) ? [postgres, redis] : [postgres];
  for (const name of [...processes, ...stores])
    for (const when of ['before', 'after'] as const)
      if (countsOf(readings, name, when).length === 0)
        return `${name} could not be read ${when} the load`;
  const without = processes.find((name) =>
    countsOf(readings, name, 'after').every((counts) => sumOf(counts, pools.size) === 0),
  );
  return without === undefined ? null : `${without} does not tell the size of its pools`;
}

function mostGained(findings: readonly Finding[]): number | null {
  const gains = findings.flatMap(({ what, before, after }) =>
    what === SOCKETS ? [after - (before ?? 0)] : [],
  );
  return gains.length === 0 ? null : Math.max(0, ...gains);
}

function least(readings: readonly Counts[], of: (counts: Counts) => number): number {
  return readings.reduce((found, counts) => Math.min(found, of(counts)), Number.POSITIVE_INFINITY);
}

function most(readings: readonly Counts[], of: (counts: Counts) => number): number {
  return readings.reduce((found, counts) => Math.max(found, of(counts)), Number.NEGATIVE_INFINITY);
}
