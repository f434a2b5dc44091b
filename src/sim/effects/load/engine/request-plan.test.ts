import { describe, expect, it } from 'vitest';
import { mixOf, type OpenWorkload, type OperationTemplate } from '../../../pure/load/workload.ts';
import { parseRequest } from '../http/wire-request.ts';
import { constantLoad, planRequests } from './request-plan.ts';

const write: OperationTemplate = {
  name: 'write',
  weight: 1,
  method: 'POST',
  path: '/items/{id}',
  body: { text: '{op}' },
};
const open = (part: Partial<OpenWorkload> = {}): OpenWorkload => ({
  kind: 'open',
  arrivals: 'constant',
  operations: [write],
  stages: [{ ratePerSecond: 10, durationMs: 1_000 }],
  ...part,
});
const options = {
  seed: 1,
  accounts: ['a', 'b'].map((id) => ({ id, headers: { 'x-user': id }, vars: { id } })),
  targets: [{ name: 'one', url: 'http://127.0.0.1:8080/base' }],
  requestIdPrefix: 'run:',
  firstId: 5,
};

describe('a plan for an external generator', () => {
  it('holds the same requests as ours, with ids after those of the load before', () => {
    const plan = planRequests(open(), options);
    expect(plan.map(({ id }) => id)).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect(plan[3]).toMatchObject({
      requestId: 'run:8',
      method: 'POST',
      body: '{"text":"8"}',
      nominalUs: 300_000,
      path: `/base/items/${plan[3]!.user}`,
      url: `http://127.0.0.1:8080/base/items/${plan[3]!.user}`,
      headers: {
        'x-user': plan[3]!.user,
        'x-request-id': 'run:8',
        'content-type': 'application/json',
      },
    });
  });

  it('has the same beginning for every duration', () => {
    const longer = open({ stages: [{ ratePerSecond: 10, durationMs: 3_000 }] });
    expect(planRequests(longer, options).slice(0, 10)).toEqual(planRequests(open(), options));
  });

  it('accepts one constant rate only', () => {
    expect(constantLoad(open())).toMatchObject({ ratePerSecond: 10, durationMs: 1_000 });
    const ramp = { ratePerSecond: 1, endRatePerSecond: 2, durationMs: 1_000 };
    for (const workload of [open({ arrivals: 'poisson' }), open({ stages: [ramp] })]) {
      expect(() => constantLoad(workload)).toThrow('one constant rate');
    }
  });
});

describe('an external generator', () => {
  it('gets the group and the headers of an operation', () => {
    const headers = { 'X-Forwarded-For': '192.0.2.{op}' };
    const [a, b] = options.accounts;
    const accounts = [{ ...a!, group: 'bot' }, b!];
    const plan = planRequests(open({ operations: [{ ...write, group: 'bot', headers }] }), {
      ...options,
      accounts,
    });
    expect(new Set(plan.map(({ user }) => user))).toEqual(new Set(['a']));
    expect(plan[2]!.headers['x-forwarded-for']).toBe('192.0.2.7');
  });

  it('is refused for a mix and for captured headers', () => {
    expect(() => constantLoad(mixOf([open()]))).toThrow('one constant rate only, not a mix');
    const operations = [{ ...write, captureHeaders: ['x'] }];
    expect(() => planRequests(open({ operations }), options)).toThrow('no response headers');
  });
});

describe('parseRequest', () => {
  it('keeps what the sender rendered, without the headers that clients write themselves', () => {
    const wire =
      'GET /a?b=c HTTP/1.1\r\nhost: h:1\r\nCookie: s=1; t=a:b\r\ncontent-length: 0\r\n\r\n';
    expect(parseRequest(wire)).toEqual({
      method: 'GET',
      path: '/a?b=c',
      headers: { cookie: 's=1; t=a:b' },
      body: null,
    });
    expect(parseRequest('POST / HTTP/1.1\r\nhost: h\r\n\r\n{"a":"\r\n\r\n"}').body).toBe(
      '{"a":"\r\n\r\n"}',
    );
  });
});
