import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Account, OperationTemplate } from '../../../pure/workload.ts';
import { compileAccount, compileTemplate } from './request-template.ts';

const target = { line: ' HTTP/1.1\r\nhost: 127.0.0.1:4000\r\n', pathPrefix: '' };
const get: OperationTemplate = { name: 'read', weight: 1, method: 'GET', path: '/logs' };
const account = (part: Partial<Account> = {}) =>
  compileAccount({ id: 'u1', headers: {}, vars: {}, ...part }, 0);

function render(part: Partial<OperationTemplate>, by = account()): string {
  return compileTemplate({ ...get, ...part }, [by]).render(target, by, 7, 'run-7');
}

/** Reads a request the way a server does: by its declared length. */
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
    const by = account({ headers: { authorization: 'Bearer t' } });
    expect(render({}, by)).toBe(
      'GET /logs HTTP/1.1\r\nhost: 127.0.0.1:4000\r\nauthorization: Bearer t\r\nx-request-id: run-7\r\n\r\n',
    );
  });

  it('declares an empty body where a server would wait for one', () => {
    expect(read(render({ method: 'POST' })).headers.get('content-length')).toBe('0');
    expect(read(render({ method: 'DELETE' })).headers.has('content-length')).toBe(false);
  });

  it('puts any variable into path and body so that the server reads it back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const by = account({ vars: { value } });
        const template = {
          method: 'POST',
          path: '/a/{value}?n={op}',
          body: { is: 'v={value}', op: '{op}' },
        } as const;
        const { line, body } = read(render(template, by));
        const asked = line.split(' ')[1]!;
        expect(decodeURIComponent(asked)).toBe(`/a/${value}?n=7`);
        expect(JSON.parse(body)).toEqual({ is: `v=${value}`, op: '7' });
      }),
    );
  });

  it('leaves other braces alone', () => {
    expect(JSON.parse(read(render({ method: 'PUT', body: { a: { b: '{}' } } })).body)).toEqual({
      a: { b: '{}' },
    });
  });

  it('of an anonymous operation carries nobody', () => {
    const by = account({ headers: { cookie: 'sid=1' } });
    const template = compileTemplate({ ...get, anonymous: true }, [by]);
    expect(template.acts).toBe(false);
    expect(template.render(target, null, 7, 'run-7')).not.toContain('cookie');
  });

  it('of an anonymous operation about an account has its variables, and not its headers', () => {
    const by = account({ headers: { cookie: 'sid=1' }, vars: { email: 'a@b' } });
    const part = { method: 'POST', anonymous: true, body: { email: '{email}' } } as const;
    const template = compileTemplate({ ...get, ...part }, [by]);
    expect(template.acts).toBe(true);
    const { headers, body } = read(template.render(target, by, 7, 'run-7'));
    expect(headers.has('cookie')).toBe(false);
    expect(body).toBe('{"email":"a@b"}');
  });

  it('may name what the credential is called', () => {
    const by = account({ subject: 's 1' });
    expect(read(render({ path: '/sessions/{subject}' }, by)).line).toContain('/sessions/s%201 ');
  });
});

describe('what cannot be sent is refused before the first request', () => {
  it.each([
    ['a path with a space', { path: '/a b' }],
    ['a relative path', { path: 'logs' }],
    ['a variable an account lacks', { path: '/{missing}' }],
    ['an inherited name', { path: '/{constructor}' }],
    ['a variable no account has', { path: '/{id}', anonymous: true }],
    ['an anonymous operation as a credential', { anonymous: true, as: 'ended' as const }],
    ['an anonymous end of a credential', { anonymous: true, ends: true }],
    ['a subject the account lacks', { path: '/{subject}' }],
  ])('%s', (_, part) => {
    expect(() => compileTemplate({ ...get, ...part }, [account()])).toThrow('operation read');
  });

  it('anything that acts, without an account', () => {
    expect(() => compileTemplate(get, [])).toThrow('no accounts');
    expect(compileTemplate({ ...get, anonymous: true }, []).acts).toBe(false);
    const begins = { token: 'token', subject: 'id' };
    expect(() => compileTemplate({ ...get, anonymous: true, begins }, [])).toThrow('no accounts');
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
