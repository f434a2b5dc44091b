/**
 * The configuration of a process of the platform: JSON in the environment variable PLATFORM_PROCESS, set by its parent.
 * A missing value or one of the wrong type is reported before the process connects to a store.
 */
import { DATABASE_ROLES } from '../design.ts';

export interface ProcessConfig {
  readonly name: string;
  readonly databaseUrl: string;
  /** As the role of the audit sequencer; where there is none, the same as `databaseUrl`. */
  readonly sequencerUrl: string;
  /** Schema that holds the tables; already the search_path in `databaseUrl`. */
  readonly databaseSchema: string;
  readonly redisUrl: string;
  /** Prefix of every key, with its separator. */
  readonly redisPrefix: string;
  readonly seed: number;
  /** A directory that lives as long as the stores, for data that must survive a process; empty for steps that build data. */
  readonly stateDirectory: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export class ConfigError extends Error {}

/** `hasDatabase` false: `databaseUrl` becomes an invalid host, so that a connection fails instead of using a default. */
export function parseProcessConfig(
  text: string | undefined,
  { hasDatabase = true }: { readonly hasDatabase?: boolean } = {},
): ProcessConfig {
  if (!text)
    throw new ConfigError('PLATFORM_PROCESS is not set; it holds the configuration as JSON');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError('PLATFORM_PROCESS is not JSON', { cause });
  }
  const config = readParams(value, 'PLATFORM_PROCESS');
  return {
    name: config.string('name'),
    ...readStores(config, hasDatabase),
    seed: config.integer('seed'),
    stateDirectory: config.string('stateDirectory', ''),
    params: config.object('params', {}),
  };
}

const NO_DATABASE = { url: 'postgresql://none.invalid', namespace: 'none' };

/** The stores behind the names `database` and `redis`; a step that builds data has no Redis and gets empty strings. */
function readStores(config: ParamReader, hasDatabase: boolean) {
  const addresses = readParams(config.object('addresses'), 'PLATFORM_PROCESS.addresses');
  const read = (name: string, fallback?: Record<string, unknown>) =>
    readParams(addresses.object(name, fallback), `PLATFORM_PROCESS.addresses.${name}`);
  const redis = read('redis', { url: '', namespace: '' });
  const database = read('database', hasDatabase ? undefined : NO_DATABASE);
  return {
    databaseUrl: database.string('url'),
    sequencerUrl: readParams(database.object('logins', {}), 'logins').string(
      DATABASE_ROLES.sequencer,
      database.string('url'),
    ),
    databaseSchema: database.string('namespace'),
    redisUrl: redis.string('url', ''),
    redisPrefix: redis.string('namespace', ''),
  };
}

/** Reads typed values; the error names the key, the expected type and the value found. */
export interface ParamReader {
  string(key: string, fallback?: string): string;
  integer(key: string, fallback?: number): number;
  strings(key: string, fallback?: readonly string[]): readonly string[];
  flag(key: string): boolean;
  object(key: string, fallback?: Record<string, unknown>): Readonly<Record<string, unknown>>;
  list(key: string, fallback?: readonly unknown[]): readonly unknown[];
  /** Throws if there is any other key. */
  rejectUnknown(keys: readonly string[]): void;
}

export function readParams(value: unknown, where: string): ParamReader {
  const isObject = (v: unknown): v is Record<string, unknown> =>
    typeof v === 'object' && v !== null && !Array.isArray(v);
  if (!isObject(value)) throw new ConfigError(`${where} is not an object`);
  const read = <T>(
    key: string,
    expected: string,
    valid: (v: unknown) => v is T,
    fallback?: T,
  ): T => {
    const found = value[key] ?? fallback;
    if (valid(found)) return found;
    throw new ConfigError(`${where}.${key} must be ${expected}, not ${JSON.stringify(found)}`);
  };
  return {
    string: (key, fallback) => {
      // An empty string is valid only where the caller has a default.
      const isText = (v: unknown): v is string =>
        typeof v === 'string' && (v !== '' || fallback !== undefined);
      return read(key, 'a string', isText, fallback);
    },
    integer: (key, fallback) =>
      read(
        key,
        'a whole number >= 0',
        (v): v is number => Number.isSafeInteger(v) && Number(v) >= 0,
        fallback,
      ),
    strings: (key, fallback) =>
      read(
        key,
        'a list of strings',
        (v): v is readonly string[] =>
          Array.isArray(v) && v.every((item) => typeof item === 'string'),
        fallback,
      ),
    flag: (key) => read(key, 'true or false', (v): v is boolean => typeof v === 'boolean', false),
    object: (key, fallback) => read(key, 'an object', isObject, fallback),
    list: (key, fallback) => read(key, 'a list', (v) => Array.isArray(v), fallback),
    rejectUnknown(keys) {
      const unknown = Object.keys(value).find((key) => !keys.includes(key));
      if (unknown !== undefined)
        throw new ConfigError(`${where}.${unknown} is not known; known are ${keys.join(', ')}`);
    },
  };
}
