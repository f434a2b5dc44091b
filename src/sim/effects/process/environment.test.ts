import { describe, expect, it } from 'vitest';
import { ownEnvironment, removeForeignVariables, shellEnvironment } from './environment.ts';

const shell = {
  PATH: '/usr/bin',
  HOME: '/root',
  PGSSLMODE: 'require',
  PGOPTIONS: '-c default_transaction_read_only=on',
  PGHOST: 'elsewhere',
  NODE_PG_FORCE_NATIVE: '1',
  NODE_OPTIONS: '--max-old-space-size=64',
  NODE_EXTRA_CA_CERTS: '/etc/ca.pem',
  UV_THREADPOOL_SIZE: '1',
  DEBUG: 'ioredis:*',
  PGPATH_OF_MINE: 'x',
  PLATFORM_CACHE: '/tmp/cache',
};

describe('the variables of the shell', () => {
  it('do not reach a process of ours, but for paths and certificates', () => {
    expect(ownEnvironment(shell)).toEqual({
      PATH: '/usr/bin',
      HOME: '/root',
      NODE_EXTRA_CA_CERTS: '/etc/ca.pem',
      PLATFORM_CACHE: '/tmp/cache',
    });
  });

  it('are removed from this process where a driver would read them, and kept for commands', () => {
    const env: NodeJS.ProcessEnv = { ...shell };
    removeForeignVariables(env);
    expect(Object.keys(env).filter((name) => name.startsWith('PG'))).toEqual([]);
    expect(env.NODE_PG_FORCE_NATIVE).toBeUndefined();
    expect(env.NODE_OPTIONS).toBe(shell.NODE_OPTIONS);
    expect(shellEnvironment()).toMatchObject({ PGSSLMODE: 'require', PGHOST: 'elsewhere' });
  });
});
