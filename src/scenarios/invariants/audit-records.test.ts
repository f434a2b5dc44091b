import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ArmRecord, FactRecord, HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { factOf, operation } from '../../sim/pure/fixtures/records.ts';
import type { OperationTemplate } from '../../sim/pure/load/workload.ts';
import { auditFields, auditTime, idInAnswer, ownAccount } from './audit-records.ts';

const arm: ArmRecord = {
  kind: 'arm',
  arm: 'after',
  design: 'turn3.after',
  seed: 1,
  originAt: new Date(1_700_000_000_000).toISOString(),
};
const get: Pick<OperationTemplate, 'method' | 'weight' | 'path'> = {
  method: 'GET',
  weight: 1,
  path: '/',
};
const operations: readonly OperationTemplate[] = [
  {
    name: 'read',
    ...get,
    headers: { 'x-forwarded-for': 'fd03:{opHex}::1', 'user-agent': 'a {op}' },
  },
  { name: 'plain', ...get },
  { name: 'own', ...get, headers: { 'x-forwarded-for': '{address}' } },
];
const invariant = auditFields({
  operations,
  rules: {
    read: { resourceType: 'project', resource: idInAnswer, reasons: { 404: 'project-not-found' } },
    plain: { resourceType: 'user', resource: ownAccount },
    own: { resourceType: 'session', resource: null },
  },
  socketAddress: '127.0.0.1',
  mustHaveSeen: [],
});
const hashOf = (session: string) => createHash('sha256').update(session).digest('hex').slice(0, 32);
const base = {
  organisation: 'o1',
  resourceType: 'project',
  region: 'us',
  service: 'gateway.1',
  address: 'fd03:0:7::1',
  device: 'a 7',
};
const bySession = operation(7, { subject: 's1', target: 'gateway.1', body: '{"id":"p1"}' });
const byAgent = operation(7, { ...bySession, subject: 'agent:12/3' });
const account: FactRecord = {
  kind: 'effect',
  name: 'account',
  id: 'u1',
  user: 'u1',
  requestId: '',
  occurredAtUs: 0,
  facts: { organisation: 'o1' },
};
const judge = (
  cause: OperationRecord,
  facts: FactRecord['facts'] & object,
  subject: string | null = 'p1',
) => {
  const row = factOf(cause, { facts, ...(subject === null ? {} : { subject }) });
  const history: HistoryRecord[] = [arm, cause, account, row];
  const { verdict, witness } = invariant.check(history);
  const fields = witness.map(
    (one) => String((one as { violation: string }).violation).split(':')[0],
  );
  return verdict === 'pass' ? 'pass' : fields.sort().join(' ');
};

describe('audit-fields', () => {
  it('derives the credential from what the client used', () => {
    const session = { ...base, session: hashOf('s1') };
    expect(judge(bySession, session)).toBe('pass');
    expect(judge(bySession, { ...base, session: hashOf('s2') })).toBe('session');
    expect(judge(bySession, base)).toBe('session');
    expect(judge(bySession, { ...session, key: '12', agent: 0 })).toBe('agent key');
    expect(judge(byAgent, { ...base, key: '12', agent: 3 })).toBe('pass');
    expect(judge(byAgent, { ...base, key: '12', agent: 0 })).toBe('agent');
    expect(judge(byAgent, { ...base, key: '12', agent: 3, session: hashOf('s1') })).toBe('session');
    const byKey = { ...bySession, subject: 'key:12' };
    expect(judge(byKey, { ...base, key: '12', agent: 0 })).toBe('pass');
    expect(judge(byKey, { ...base, agent: 0 })).toBe('key');
    expect(judge(byKey, { ...base, key: '12' })).toBe('agent');
  });

  const right = { ...base, session: hashOf('s1') };

  it('takes organisation, region and process from the account, the design and the target', () => {
    expect(judge(bySession, { ...right, organisation: 'u1' })).toBe('organisation');
    expect(judge(bySession, { ...right, region: 'eu' })).toBe('region');
    expect(judge(bySession, { ...right, service: 'gateway.2' })).toBe('service');
  });

  it('takes address and device from the request, of a retry from the first attempt', () => {
    expect(judge(bySession, { ...right, address: '127.0.0.1' })).toBe('address');
    const { device: _, ...anonymous } = right;
    expect(judge(bySession, anonymous)).toBe('device');
    const { address: __, ...sealed } = anonymous;
    expect(judge(bySession, { ...sealed, personal: 'unreadable' })).toBe('address device');
    const retry = { ...bySession, id: 9, attempt: 2, retryOf: 7 };
    expect(judge(retry, right)).toBe('pass');
    const plain = { ...bySession, name: 'plain' };
    const local = { ...sealed, resourceType: 'user', address: '127.0.0.1' };
    expect(judge(plain, local, 'u1')).toBe('pass');
    // A load generator may name itself where the operation names no device.
    expect(judge(plain, { ...local, device: 'k6' }, 'u1')).toBe('pass');
    const { address: ___, ...hidden } = local;
    expect(judge(plain, { ...hidden, personal: 'unreadable' }, 'u1')).toBe('address');
    // It depends on the account, whose headers the history does not have.
    const own = { ...bySession, name: 'own' };
    expect(judge(own, { ...local, resourceType: 'session', address: '10.1.0.1' }, null)).toBe(
      'pass',
    );
  });

  it('takes the resource from path and answer, and the reason from the status', () => {
    expect(judge(bySession, right, 'p2')).toBe('resource');
    expect(judge(bySession, right, null)).toBe('resource');
    expect(judge({ ...bySession, body: 'no JSON' }, right)).toBe('resource');
    expect(judge({ ...bySession, body: '{}' }, right)).toBe('resource');
    expect(judge(bySession, { ...right, resourceType: 'user' })).toBe('resourceType');
    expect(judge(bySession, { ...right, reason: 'rate-limited' })).toBe('reason');
    const denied = { ...bySession, outcome: 'fail' as const, status: 404, body: '' };
    expect(judge(denied, { ...right, reason: 'project-not-found' })).toBe('pass');
    expect(judge(denied, right)).toBe('reason');
    const limited = { ...denied, status: 429 };
    expect(judge(limited, { ...right, reason: 'project-not-found' })).toBe('reason');
    expect(judge(limited, { ...right, reason: 'rate-limited' })).toBe('pass');
    const conflict = { ...denied, status: 409 };
    expect(judge(conflict, { ...right, reason: 'whatever' })).toBe('pass');
    const open = { ...denied, outcome: 'unknown' as const, status: 503 };
    expect(judge(open, { ...right, reason: 'whatever' })).toBe('pass');
  });

  it('compares only what it knows of an anonymous request', () => {
    const anonymous = operation(7, { user: '' });
    expect(judge(anonymous, {}, null)).toBe('pass');
  });
});

describe('audit-time', () => {
  const row = factOf(bySession, { facts: {} });

  it('bounds the time of a record on the clock of the arm', () => {
    expect(auditTime.check([arm, bySession, row]).verdict).toBe('pass');
    const late = { ...row, occurredAtUs: row.occurredAtUs + 1_000_000 };
    expect(auditTime.check([arm, bySession, late]).verdict).toBe('fail');
    expect(auditTime.check([bySession, row]).verdict).toBe('unknown');
  });
});
