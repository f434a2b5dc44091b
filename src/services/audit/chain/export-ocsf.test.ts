/** Events for a SIEM: valid OCSF 1.9.0, and chained so that every change is detected. */
import { createHash } from 'node:crypto';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { exportOcsf } from './export-ocsf.ts';
import type { ExportScope } from './export-scope.ts';
import { linesOf, wholeLog } from './fixtures/export-lines.ts';
import { memoryLog } from './fixtures/memory-log.ts';
import { apiActivitySchema } from './fixtures/ocsf-api-activity.ts';

const conforms = new Ajv({ allErrors: true, strict: false }).compile(apiActivitySchema);

// biome-ignore lint/suspicious/noExplicitAny: what a consumer parses.
type Event = Record<string, any>;

const eventsOf = async (scope: Partial<ExportScope> = {}, log = memoryLog()): Promise<Event[]> =>
  (await linesOf(exportOcsf(log.source, { ...wholeLog, ...scope }))).map((line) =>
    JSON.parse(line),
  );

/** Written here again, from RFC 8785 and the description of the attestation object. */
function fingerprintOf(event: Event): string {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted);
    if (typeof value !== 'object' || value === null) return value;
    const names = Object.keys(value).sort();
    return Object.fromEntries(names.map((name) => [name, sorted((value as Event)[name])]));
  };
  const { fingerprint: _, ...attestation } = event.attestation_list[0];
  const unattested = JSON.stringify(sorted({ ...event, attestation_list: [attestation] }));
  return createHash('sha256').update(unattested).digest('hex');
}

/** Every place of an event: the path of each of its members. */
function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([name, child]) => pathsOf(child, [...path, name])),
  ];
}

function without(event: Event, path: string): Event {
  const copy = structuredClone(event);
  const names = path.split('.');
  const parent = names.slice(0, -1).reduce((at, name) => at[name], copy);
  expect(parent, path).toHaveProperty(names.at(-1)!);
  delete parent[names.at(-1)!];
  return copy;
}

describe('events', () => {
  it('are API Activity of OCSF 1.9.0, each of them', async () => {
    const events = await eventsOf();
    expect(events).toHaveLength(240);
    for (const event of events) {
      conforms(event);
      expect(conforms.errors ?? []).toEqual([]);
    }
  });

  it.each([
    'activity_id',
    'category_uid',
    'class_uid',
    'type_uid',
    'severity_id',
    'time',
    'metadata',
    'metadata.version',
    'metadata.product',
    'metadata.product.name',
    'actor',
    'api',
    'metadata.product.feature.name',
    'api.operation',
    'api.request.uid',
    'api.service.name',
    'src_endpoint',
    'src_endpoint.name',
    'actor.user.uid',
    'actor.user.org.uid',
    'attestation_list.0.fingerprint',
    'attestation_list.0.fingerprint.algorithm_id',
    'attestation_list.0.fingerprint.value',
    'attestation_list.0.prev_event.uid',
  ])('would not conform without %s', async (path) => {
    const event = (await eventsOf()).at(-1)!;
    expect(conforms(without(event, path))).toBe(false);
  });

  it.each<[string, (event: Event) => object]>([
    ['a time in seconds', ({ time }) => ({ time: Math.floor(time / 1_000) })],
    ['a time as text', ({ metadata }) => ({ time: metadata.original_time })],
    ['a type of another activity', ({ type_uid }) => ({ type_uid: type_uid + 1 })],
    ['another class', () => ({ class_uid: 6001 })],
    ['a status of another name', () => ({ status: 'Other' })],
    ['an attribute of a profile it does not name', () => ({ cloud: { provider: 'platform' } })],
    [
      'the attestation of a draft of the profile',
      ({ attestation_list }) => ({ attestation: attestation_list[0] }),
    ],
    ['a resource without a name', () => ({ resources: [{ type: 'project' }] })],
  ])('would not conform with %s', async (_name, change) => {
    const event = (await eventsOf()).at(-1)!;
    expect(conforms({ ...event, ...change(event) })).toBe(false);
  });

  it('say who, what, when, where and how it ended', async () => {
    const [event] = (await eventsOf()).filter(({ metadata }) => metadata.uid.endsWith('06'));
    expect(event).toMatchObject({
      activity_name: 'Create',
      type_uid: 600_301,
      time: Date.parse('2026-10-30T13:00:00Z'),
      status_id: 2,
      status_code: 'rate-limited',
      status_detail: 'denied',
      metadata: { tenant_uid: '1', correlation_uid: 'req-6', log_name: 'audit' },
      actor: {
        user: { uid: '106', org: { uid: '1' }, programmatic_credentials: [{ uid: '6' }] },
        application: { name: 'agent 2' },
      },
      api: { operation: 'project.create', service: { name: 'gateway-1' } },
      resources: [{ uid: 'p6', type: 'project' }],
      unmapped: { region: 'us', shard: 1 },
    });
    const [other] = (await eventsOf()).filter(({ metadata }) => metadata.uid.endsWith('04'));
    expect(other).toMatchObject({
      actor: { session: { uid: expect.stringMatching(/^a+4$/) } },
      resources: [{ name: 'project', type: 'project' }],
    });
  });
});

describe('the chain of events', () => {
  it('has the fingerprint of each event over all of it, and of the one before in it', async () => {
    const before = new Map<string, object>();
    for (const event of await eventsOf()) {
      const [{ chain_uid, prev_event, fingerprint }] = event.attestation_list;
      expect(fingerprint.value).toBe(fingerprintOf(event));
      expect(prev_event).toEqual(before.get(chain_uid));
      const { uid, tenant_uid } = event.metadata;
      expect(chain_uid).toMatch(new RegExp(`^platform-audit-${tenant_uid}-from-`));
      before.set(chain_uid, { uid, type_uid: event.type_uid, fingerprint });
    }
    expect(before.size).toBe(5);
  });

  it('detects any change of an event', async () => {
    const event = (await eventsOf()).at(-1)!;
    const isCovered = (path: readonly string[]) =>
      path.length > 0 && !path.join('.').startsWith('attestation_list.0.fingerprint');
    for (const path of pathsOf(event).filter(isCovered)) {
      if (path.join('.') === 'attestation_list' || path.join('.') === 'attestation_list.0')
        continue;
      expect(fingerprintOf(without(event, path.join('.'))), path.join('.')).not.toBe(
        event.attestation_list[0].fingerprint.value,
      );
    }
  });

  it('is the same in an export of a tenant, of all, or month by month', async () => {
    const all = await eventsOf();
    const ofTenant = all.filter(({ metadata }) => metadata.tenant_uid === '2');
    expect(await eventsOf({ organisationId: '2' })).toEqual(ofTenant);
    const turn = '2026-10-31T12:00:00.000000Z';
    const [first, second] = [await eventsOf({ to: turn }), await eventsOf({ from: turn })];
    expect([...first, ...second]).toEqual(all);
    const lastOf = (uid: string) => first.findLast(({ metadata }) => metadata.tenant_uid === uid)!;
    const [link] = second[0]!.attestation_list;
    expect(link.prev_event.uid).toBe(lastOf(second[0]!.metadata.tenant_uid).metadata.uid);
  });

  it('begins again with another chain_uid when its first events were archived', async () => {
    const log = memoryLog();
    await log.dropPartition('2026-10');
    const [early] = await eventsOf();
    const [late] = await eventsOf({}, log);
    expect(late!.attestation_list[0].prev_event).toBeUndefined();
    expect(late!.attestation_list[0].chain_uid).not.toBe(early!.attestation_list[0].chain_uid);
  });
});
