import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Account, OperationTemplate } from '../../../pure/load/workload.ts';
import type { Actor } from './placeholders.ts';
import { compileAccount, compileTemplate } from './request-template.ts';

const target = { requestLineEnd: ' HTTP/1.1\r\nhost: h\r\n', pathPrefix: '' };
const get: OperationTemplate = { name: 'read', weight: 1, method: 'GET', path: '/' };
const account = (part: Partial<Account> = {}) =>
  compileAccount({ id: 'u1', headers: {}, vars: {}, ...part }, 0);

/** The header lines of the request, in order. */
function linesOf(
  part: Partial<OperationTemplate>,
  actor = account(),
  as: Actor | null = actor,
  op = 7,
) {
  const template = compileTemplate({ ...get, ...part }, [actor]);
  const request = template.render(target, template.needsActor ? as : null, op, 'r-7');
  return request.slice(0, request.indexOf('\r\n\r\n')).split('\r\n').slice(2);
}

describe('headers of an operation', () => {
  it('are filled and sent beside those of the account', () => {
    const actor = account({ headers: { 'x-user': 'u1' }, vars: { ip: '203.0.113.9' } });
    const headers = { 'X-Forwarded-For': '10.0.0.{op}, {ip}' };
    expect(linesOf({ headers }, actor)).toEqual([
      'x-user: u1',
      'X-Forwarded-For: 10.0.0.7, 203.0.113.9',
      'x-request-id: r-7',
    ]);
  });

  it('override account headers of the same name, in any case', () => {
    const actor = account({
      headers: { Authorization: 'Bearer of:a:session', 'x-agent': 'a', 'x-b': ': ' },
      vars: { key: 'pa_1' },
    });
    const headers = { authorization: 'Bearer {key}', 'X-AGENT': 'b' };
    for (let time = 0; time < 2; time += 1) {
      expect(linesOf({ headers }, actor)).toEqual([
        'x-b: : ',
        'authorization: Bearer pa_1',
        'X-AGENT: b',
        'x-request-id: r-7',
      ]);
    }
  });

  it('may name a variable of the planned account in an anonymous operation', () => {
    const actor = account({ headers: { cookie: 'sid=1' }, vars: { ip: '192.0.2.1' } });
    const lines = (value: string) =>
      linesOf({ anonymous: true, headers: { 'x-forwarded-for': value } }, actor);
    expect(lines('{ip}')).toEqual(['x-forwarded-for: 192.0.2.1', 'x-request-id: r-7']);
    expect(lines('1.2.3.4')).toEqual(['x-forwarded-for: 1.2.3.4', 'x-request-id: r-7']);
    const acts = (value: string) =>
      compileTemplate({ ...get, anonymous: true, headers: { a: value } }, [actor]).needsActor;
    expect([acts('{ip}'), acts('2001:db8:{opHex}::1'), acts('{op}')]).toEqual([true, false, false]);
  });

  it.each([
    [0, '2001:db8:0:0::1'],
    [31, '2001:db8:0:1f::1'],
    [0x1234abcd, '2001:db8:1234:abcd::1'],
    [0xffff_ffff, '2001:db8:ffff:ffff::1'],
  ])('forge a new address for operation %i: %s', (op, address) => {
    const headers = { 'x-forwarded-for': '2001:db8:{opHex}::1' };
    expect(linesOf({ headers }, account(), null, op)[0]).toBe(`x-forwarded-for: ${address}`);
  });

  it('override the default content type', () => {
    const part = { method: 'POST', body: { a: 1 }, headers: { 'Content-Type': 'text/x' } } as const;
    expect(linesOf(part).filter((line) => /content-type/i.test(line))).toEqual([
      'Content-Type: text/x',
    ]);
  });

  it('are one line each, whatever the subject of an issued credential holds', () => {
    const sender = account({ subject: 's' });
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (subject) => {
        const actor = { ...sender, subject, vars: { subject } };
        expect(linesOf({ headers: { 'x-s': '<{subject}>' } }, sender, actor)).toEqual([
          expect.stringMatching(/^x-s: <[\t\x20-\x7e]*>$/),
          'x-request-id: r-7',
        ]);
      }),
    );
  });

  it.each([
    ['a bad name', { 'a b': '1' }],
    ['one of ours', { 'X-Request-Id': '1' }],
    ['a line break', { a: '1\r\nb: 2' }],
    ['the same name twice', { a: '1', A: '2' }],
    ['a variable an account lacks', { a: '{missing}' }],
    ['a variable that is no header value', { a: '{name}' }],
  ])('with %s are refused before the first request', (_, headers) => {
    const actor = account({ vars: { name: 'a\nb' } });
    expect(() => linesOf({ headers: headers as Record<string, string> }, actor)).toThrow(
      'operation read',
    );
  });
});

describe('captured headers', () => {
  const kept = (part: Partial<OperationTemplate>) =>
    compileTemplate({ ...get, ...part }, [account()]).captureHeaders;
  const retry = { attempts: 2, baseMs: 1, capMs: 1, statuses: [429], onNextInstance: false };

  it('are lower case, unique, and null by default', () => {
    expect(kept({})).toBeNull();
    expect(kept({ captureHeaders: [], retry })).toBeNull();
    expect(kept({ captureHeaders: ['X-A', 'x-a', 'B'] })).toEqual(['x-a', 'b']);
  });

  it('include Retry-After when the retry policy obeys it', () => {
    const obeys = { ...retry, obeyRetryAfter: true };
    expect(kept({ retry: obeys })).toEqual(['retry-after']);
    expect(kept({ captureHeaders: ['Retry-After'], retry: obeys })).toEqual(['retry-after']);
  });

  it('must be valid header names', () => {
    expect(() => kept({ captureHeaders: ['a b'] })).toThrow('operation read: "a b" is not');
  });
});

describe('a group', () => {
  const bot = account({ group: 'bot', vars: { agent: 'a' } });
  const honest = account({ id: 'u2', group: 'honest' });

  it('needs the variables of its own operations only', () => {
    const part = { path: '/{agent}', group: 'bot' };
    expect(compileTemplate({ ...get, ...part }, [honest, bot]).group).toBe('bot');
    expect(() => compileTemplate({ ...get, path: '/{agent}' }, [bot, honest])).toThrow('u2');
  });

  it('without accounts is rejected with the known groups', () => {
    const compile = (accounts: Parameters<typeof compileTemplate>[1]) =>
      compileTemplate({ ...get, group: 'ci' }, accounts);
    expect(() => compile([bot, honest, bot])).toThrow(
      'operation read: no account is of the group ci; there are bot, honest',
    );
    expect(() => compile([account()])).toThrow('no account has a group');
  });
});
