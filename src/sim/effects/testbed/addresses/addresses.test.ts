import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { AddressProblem, redactAddress } from './address-text.ts';
import { parsePostgresAddress } from './postgres-address.ts';
import { normalizeRedisAddress } from './redis-address.ts';

/** What the driver makes of it, for each host. */
function driverReads(given: string) {
  const { hosts, urlOf } = parsePostgresAddress(given);
  return hosts.map((host) => {
    const { user, password, host: at, port, database } = new pg.Client(urlOf(host));
    return { user, password, host: at, port, database };
  });
}

const problem = (read: () => unknown): string => {
  try {
    return JSON.stringify(read());
  } catch (error) {
    expect(error).toBeInstanceOf(AddressProblem);
    return (error as Error).message;
  }
};

describe('DATABASE_URL', () => {
  it.each([
    ['postgres://u:p@h:1/d', 'p', 'h', 1],
    ['  postgresql://u:p@h:1/d\n', 'p', 'h', 1],
    ['postgres://u:p#w@h:1/d', 'p#w', 'h', 1],
    ['postgres://u:12#34@h:1/d', '12#34', 'h', 1],
    ['postgres://u:p@w@h:1/d', 'p@w', 'h', 1],
    ['postgres://u:a/b?c#d@e%:f@h:1/d', 'a/b?c#d@e%:f', 'h', 1],
    ['postgres://u:p%23%40w@h:1/d', 'p#@w', 'h', 1],
    ['postgres://u:100%@h:1/d', '100%', 'h', 1],
    ['postgres://u:p w@h:1/d', 'p w', 'h', 1],
    ['postgres://u:p@[::1]:1/d', 'p', '::1', 1],
    ['postgres://u:p@/d?host=/run/pg&port=1', 'p', '/run/pg', 1],
    ['postgres:///d?host=/run/pg&port=1&user=u&password=a%23b', 'a#b', '/run/pg', 1],
    ['postgres://u:p@%2Frun%2Fpg:1/d', 'p', '/run/pg', 1],
    ['postgres://u:p@/d?port=1', 'p', 'localhost', 1],
    ['postgres://u:p@h:1/ignored?dbname=d', 'p', 'h', 1],
  ])('%s', (given, password, host, port) => {
    expect(driverReads(given)).toEqual([{ user: 'u', password, host, port, database: 'd' }]);
  });

  it('names several hosts, in the address or in its parameters', () => {
    const places = (given: string) => driverReads(given).map(({ host, port }) => `${host} ${port}`);
    expect(places('postgres://u@a:1,b:2,[::1]:3/d?target_session_attrs=read-write')).toEqual([
      'a 1',
      'b 2',
      '::1 3',
    ]);
    expect(places('postgres://u@a,b:2/d')).toEqual(['a 5432', 'b 2']);
    expect(places('postgres:///d?host=/run/a,b&port=1')).toEqual(['/run/a 1', 'b 1']);
    expect(parsePostgresAddress('postgres://a,b/d?target_session_attrs=standby').session).toBe(
      'standby',
    );
  });

  it('keeps what the driver knows and drops what is settled', () => {
    const { hosts, urlOf } = parsePostgresAddress(
      'postgres://a,b/d?sslmode=disable&options=-c%20work_mem%3D1MB&target_session_attrs=any',
    );
    expect(urlOf(hosts[1]!)).toBe('postgres://b/d?sslmode=disable&options=-c%20work_mem%3D1MB');
  });

  it.each([
    ['h:5432/d', /no scheme/],
    ['host=h dbname=d', /no scheme/],
    ['jdbc:postgresql://h/d', /no scheme/],
    ['mysql://h/d', /another scheme/],
    ['postgres://u:p@h:99999/d', /99999 is not between/],
    ['postgres://u:p@h:abc/d', /port is not a number/],
    ['postgres://u:p@h/d#x', /# after the host must be written %23/],
    ['postgres://a,b,c/d?port=1,2', /3 hosts and 2 ports/],
    ['postgres://h/d?target_session_attrs=primry', /none of any, read-write/],
    ['postgres://h/a%23b', /name of its database/],
    [`postgres://${Array(17).fill('h').join(',')}/d`, /more than 16 hosts/],
    ['postgres://u:p@h/d\nx', /line break/],
  ])('%s: says what is wrong, without the password', (given, expected) => {
    const said = problem(() => parsePostgresAddress(given));
    expect(said).toMatch(expected);
  });

  it('takes every password as it is, where it holds no text that is an address by itself', () => {
    const password = fc
      .string({ minLength: 1, unit: 'grapheme-ascii' })
      .filter((text) => !/%[0-9a-f]{2}/i.test(text) && !/[@]/.test(text));
    fc.assert(
      fc.property(password, (secret) => {
        // A whole address before the @ is read as one: user as host, parameters after.
        fc.pre(!/^(\d*)([/?]|$)/.test(secret));
        expect(driverReads(`postgres://u:${secret}@h:1/d`)).toMatchObject([
          { user: 'u', password: secret, host: 'h', port: 1, database: 'd' },
        ]);
      }),
    );
  });

  it('takes every encoded password, and is the same when it is read again', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (secret) => {
        const { hosts, urlOf } = parsePostgresAddress(
          `postgres://u:${encodeURIComponent(secret)}@h/d`,
        );
        const url = urlOf(hosts[0]!);
        expect(decodeURIComponent(new URL(url).password)).toBe(secret);
        expect(parsePostgresAddress(url).urlOf(hosts[0]!)).toBe(url);
      }),
    );
  });
});

describe('REDIS_URL', () => {
  it.each([
    ['redis://h:1/2', 'redis://h:1/2'],
    ['redis://h:1?db=2', 'redis://h:1/2'],
    ['rediss://u:p@h:1', 'rediss://u:p@h:1'],
    ['redis://:p#w/x@y@h:1/2', 'redis://:p%23w%2Fx%40y@h:1/2'],
    ['redis://[::1]:1', 'redis://[::1]:1'],
    ['redis:///3', 'redis://localhost/3'],
    ['/run/redis.sock', '/run/redis.sock'],
    ['unix:///run/redis.sock?db=2', '/run/redis.sock?db=2'],
    ['unix://u:a%23b@/run/redis.sock', '/run/redis.sock?username=u&password=a%23b'],
    ['redis+socket:///run/redis.sock', '/run/redis.sock'],
    ['redis+unix:///run/redis.sock', '/run/redis.sock'],
  ])('%s is %s', (given, expected) => {
    expect(normalizeRedisAddress(given)).toBe(expected);
    expect(normalizeRedisAddress(expected)).toBe(expected);
  });

  it.each([
    ['h:6379', /no scheme/],
    ['http://h', /another scheme/],
    ['redis://a,b', /several hosts/],
    ['redis://h/cache', /not the number of a database/],
    ['redis://h/-1', /not the number of a database/],
    ['unix://run/redis.sock', /must be absolute/],
    ['unix:///', /no path of a socket/],
    ['redis://h:0', /0 is not between/],
  ])('%s: says what is wrong', (given, expected) =>
    expect(problem(() => normalizeRedisAddress(given))).toMatch(expected),
  );
});

describe('an address in a message', () => {
  it.each([
    ['postgres://u:hunter2@h:1/d', 'postgres://u:***@h:1/d'],
    ['postgres://u:hunter2#@h/d', 'postgres://u:***@h/d'],
    ['postgres://u:12#hunter2@h/d', 'postgres://u:***@h/d'],
    ['postgres://u@a:1,b/d?password=hunter2', 'postgres://u@a:1,b/d?password=***'],
    ['redis://:hunter2@h', 'redis://:***@h'],
    ['mysql://u:hunter2@h/d', 'mysql://u:***@h/d'],
    ['postgres://u:hunter2@h/d#x', '(not a URL)'],
    ['hunter2', '(not a URL)'],
  ])('%s has no password', (given, expected) => expect(redactAddress(given)).toBe(expected));
});
