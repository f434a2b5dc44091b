import { describe, expect, it } from 'vitest';
import { ConfigError, parseProcessConfig, readParams } from './process-config.ts';
import { openRedis } from './redis-clients.ts';

const database = { url: 'postgres://postgres@127.0.0.1/postgres', namespace: 'platform' };
const redis = { url: 'redis://127.0.0.1', namespace: 'ps:' };
const rest = {
  name: 'gateway',
  stateDirectory: '/var/lib/platform',
  seed: 42,
  params: { design: 'turn4.after' },
};
const whole = { ...rest, addresses: { database, redis } };
const withDatabase = (change: object) =>
  JSON.stringify({ ...rest, addresses: { database: { ...database, ...change }, redis } });

describe('process config', () => {
  it('reads the address of the sequencer as its own role', () => {
    const own = {
      ...database,
      logins: { platform_sequencer: 'postgres://platform_sequencer@a/b' },
    };
    const config = { ...whole, addresses: { ...whole.addresses, database: own } };
    expect(parseProcessConfig(JSON.stringify(config))).toMatchObject({
      databaseUrl: database.url,
      sequencerUrl: own.logins.platform_sequencer,
    });
  });

  it('reads a complete configuration', () => {
    expect(parseProcessConfig(JSON.stringify(whole))).toEqual({
      ...rest,
      databaseUrl: database.url,
      sequencerUrl: database.url,
      databaseSchema: 'platform',
      redisUrl: redis.url,
      redisPrefix: 'ps:',
    });
  });

  it.each([
    [undefined, 'PLATFORM_PROCESS is not set'],
    ['{', 'not JSON'],
    ['[]', 'not an object'],
    [JSON.stringify({ ...whole, seed: '42' }), 'PLATFORM_PROCESS.seed must be a whole number'],
    [JSON.stringify(rest), 'PLATFORM_PROCESS.addresses must be an object'],
    [
      JSON.stringify({ ...rest, addresses: { redis } }),
      'PLATFORM_PROCESS.addresses.database must be an object',
    ],
    [
      withDatabase({ namespace: undefined }),
      'PLATFORM_PROCESS.addresses.database.namespace must be a string',
    ],
    [withDatabase({ url: '' }), 'PLATFORM_PROCESS.addresses.database.url'],
  ])('says what is wrong with %s', (text, message) => {
    expect(() => parseProcessConfig(text)).toThrow(ConfigError);
    expect(() => parseProcessConfig(text)).toThrow(message);
  });

  it('may leave out Redis, and then refuses to connect instead of using a default', () => {
    const without = { ...rest, addresses: { database } };
    expect(parseProcessConfig(JSON.stringify(without)).redisUrl).toBe('');
    expect(() => openRedis('', () => {})).toThrow('needs Redis');
  });

  it('falls back only where there is a default', () => {
    const params = readParams({}, 'params');
    expect(params.integer('port', 0)).toBe(0);
    expect(params.string('prefix', '')).toBe('');
    expect(() => params.string('design')).toThrow('params.design must be a string, not undefined');
  });
});
