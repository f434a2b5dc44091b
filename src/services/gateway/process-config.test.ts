import { describe, expect, it } from 'vitest';
import { ConfigError, parseProcessConfig, readParams } from './process-config.ts';
import { openRedis } from './redis-clients.ts';

const whole = {
  name: 'gateway',
  databaseUrl: 'postgres://postgres@127.0.0.1/postgres',
  databaseSchema: 'platform',
  redisUrl: 'redis://127.0.0.1',
  redisPrefix: 'ps:',
  stateDirectory: '/var/lib/platform',
  seed: 42,
  params: { design: 'turn4.after' },
};

describe('process config', () => {
  it('reads a whole one', () => {
    expect(parseProcessConfig(JSON.stringify(whole))).toEqual(whole);
  });

  it.each([
    [undefined, 'PLATFORM_PROCESS is not set'],
    ['{', 'not JSON'],
    ['[]', 'not an object'],
    [JSON.stringify({ ...whole, seed: '42' }), 'PLATFORM_PROCESS.seed must be a whole number'],
    [
      JSON.stringify({ ...whole, databaseSchema: undefined }),
      'PLATFORM_PROCESS.databaseSchema must be a string',
    ],
    [JSON.stringify({ ...whole, databaseUrl: '' }), 'PLATFORM_PROCESS.databaseUrl'],
  ])('says what is wrong with %s', (text, message) => {
    expect(() => parseProcessConfig(text)).toThrow(ConfigError);
    expect(() => parseProcessConfig(text)).toThrow(message);
  });

  it('lets a step without Redis leave it out, and nobody connect to a default one by accident', () => {
    const { redisUrl: _, redisPrefix: __, ...without } = whole;
    expect(parseProcessConfig(JSON.stringify(without)).redisUrl).toBe('');
    expect(() => openRedis('', () => {})).toThrow('needs Redis');
  });

  it('falls back only where a default is offered', () => {
    const params = readParams({}, 'params');
    expect(params.integer('port', 0)).toBe(0);
    expect(params.string('prefix', '')).toBe('');
    expect(() => params.string('design')).toThrow('params.design must be a string, not undefined');
  });
});
