import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Account, OperationTemplate } from '../../../pure/load/workload.ts';
import { compileAccount, compileTemplate } from './request-template.ts';

const target = { requestLineEnd: ' HTTP/1.1\r\nhost: 127.0.0.1:4000\r\n', pathPrefix: '' };
const get: OperationTemplate = { name: 'read', weight: 1, method: 'GET', path: '/logs' };
const account = (part: Partial<Account> = {}) =>
  compileAccount({ id: 'u1', headers: {}, vars: {}, ...part }, 0);

function render(part: Partial<OperationTemplate>, actor = account()): string {
  return compileTemplate({ ...get, ...part }, [actor]).render(target, actor, 7, 'run-7');
}

/** Reads a request the way a server does: actor its declared length. */
function read(request: string): { line: string; headers: Map<string, string>; body: string } {
  const end = request.indexOf('\r\n\r\n');
  const [line, ...rest] = request.slice(0, end).split('\r\n');
  const headers = new Map(rest.map((one) => one.split(': ', 2) as [string, string]));
  const length = Number(headers.get('content-length') ?? 0);
  const body = Buffer.from(request.slice(end + 4), 'utf8');
  expect(body.length).toBe(length);
  return { line: line!, headers, body: body.toString('utf8') };
}

describe('a request', () => {
  it('is complete HTTP/1.1 with the operation named in it', () => {
    const actor = account({ headers: { authorization: 'Bearer t' } });
    expect(render({}, actor)).toBe(
      'GET /logs HTTP/1.1\r\nhost: 127.0.0.1:4000\r\nauthorization: Bearer t\r\nx-request-id: run-7\r\n\r\n',
    );
  });

  it('declares an empty body where a server would wait for one', () => {
    expect(read(render({ method: 'POST' })).headers.get('content-length')).toBe('0');
    expect(read(render({ method: 'DELETE' })).headers.has('content-length')).toBe(false);
  });

  it('encodes any variable in path and body so that the server decodes it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const actor = account({ vars: { value } });
        const template = {
          method: 'POST',
          path: '/a/{value}?n={op}',
          body: { is: 'v={value}', op: '{op}' },
        } as const;
        const { line, body } = read(render(template, actor));
        const requestPath = line.split(' ')[1]!;
        expect(decodeURIComponent(requestPath)).toBe(`/a/${value}?n=7`);
        expect(JSON.parse(body)).toEqual({ is: `v=${value}`, op: '7' });
      }),
    );
  });

  it('keeps other braces', () => {
    expect(JSON.parse(read(render({ method: 'PUT', body: { a: { b: '{}' } } })).body)).toEqual({
      a: { b: '{}' },
    });
  });

  it('of an anonymous operation has no headers of an account', () => {
    const actor = account({ headers: { cookie: 'sid=1' } });
    const template = compileTemplate({ ...get, anonymous: true }, [actor]);
    expect(template.needsActor).toBe(false);
    expect(template.render(target, null, 7, 'run-7')).not.toContain('cookie');
  });

  it('of an anonymous operation may have the variables of an account, but not its headers', () => {
    const actor = account({ headers: { cookie: 'sid=1' }, vars: { email: 'a@b' } });
    const part = { method: 'POST', anonymous: true, body: { email: '{email}' } } as const;
    const template = compileTemplate({ ...get, ...part }, [actor]);
    expect(template.needsActor).toBe(true);
    const { headers, body } = read(template.render(target, actor, 7, 'run-7'));
    expect(headers.has('cookie')).toBe(false);
    expect(body).toBe('{"email":"a@b"}');
  });

  it('may contain the subject of the credential', () => {
    const actor = account({ subject: 's 1' });
    expect(read(render({ path: '/sessions/{subject}' }, actor)).line).toContain('/sessions/s%201 ');
  });
});

describe('a template that cannot be sent is rejected before the first request', () => {
  it.each([
    ['a path with a space', { path: '/a b' }],
    ['a relative path', { path: 'logs' }],
    ['a variable an account lacks', { path: '/{missing}' }],
    ['an inherited name', { path: '/{constructor}' }],
    ['a variable no account has', { path: '/{id}', anonymous: true }],
    ['an anonymous operation as a credential', { anonymous: true, as: 'ended' as const }],
    ['an anonymous revocation of a credential', { anonymous: true, revokesCredential: true }],
    ['a subject the account lacks', { path: '/{subject}' }],
  ])('%s', (_, part) => {
    expect(() => compileTemplate({ ...get, ...part }, [account()])).toThrow('operation read');
  });

  it('an operation that needs an actor, without accounts', () => {
    expect(() => compileTemplate(get, [])).toThrow('no accounts');
    expect(compileTemplate({ ...get, anonymous: true }, []).needsActor).toBe(false);
    const begins = { token: 'token', subject: 'id' };
    expect(() =>
      compileTemplate({ ...get, anonymous: true, issuesCredential: begins }, []),
    ).toThrow('no accounts');
  });

  it.each([
    ['a line break', { cookie: 'a\r\nx: y' }],
    ['a bad name', { 'a b': '1' }],
    ['an own header', { 'Content-Length': '5' }],
    ['text beyond ASCII', { name: '\u20ac' }],
  ])('a header with %s', (_, headers) => {
    expect(() => account({ headers: headers as Record<string, string> })).toThrow('account u1');
  });
});
