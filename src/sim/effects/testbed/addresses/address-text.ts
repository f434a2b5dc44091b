/**
 * What DATABASE_URL and REDIS_URL have in common. People paste passwords as they are, with `#`, `@`, `/` or `%`, which
 * the URL standard would read as the end of the address; and tools write lists of hosts, which it does not know.
 */

export interface AddressParts {
  /** In lower case, without the colon. */
  readonly scheme: string;
  readonly user: string;
  readonly password: string;
  /** In the order of preference; empty when the address names none. */
  readonly hosts: readonly Host[];
  /** What follows the first slash, decoded. */
  readonly path: string;
  readonly params: ReadonlyMap<string, string>;
}

export interface Host {
  /** A name, an address without brackets, or the absolute path of a socket or of its folder. */
  readonly host: string;
  readonly port: number | null;
}

/** What is wrong with an address, without repeating it: it may hold a password. */
export class AddressProblem extends Error {}

const MAX_HOSTS = 16;
const HOST = '(?:\\[[0-9A-Fa-f:.]+\\]|(?:[\\w.~-]|%[0-9A-Fa-f]{2})*)(?::\\d*)?';
/** Hosts, a path and parameters, none of which holds a raw `#` or `@`. */
const AFTER_USER = new RegExp(
  `^(?<hosts>${HOST}(?:,${HOST})*)(?:/(?<path>[^?#@]*))?(?:\\?(?<query>(?:[\\w.-]+(?:=[^&#]*)?(?:&|$))*))?$`,
);

export function readAddress(given: string): AddressParts {
  const text = given.trim();
  const [, scheme = '', rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([\s\S]*)$/.exec(text) ?? [];
  if (rest === undefined) throw new AddressProblem('it has no scheme');
  if (hasControlCharacter(rest)) throw new AddressProblem('it holds a line break');
  const { userInfo, after } = splitUserInfo(rest);
  const { user, password } = readUserInfo(userInfo);
  const { hosts = '', path = '', query = '' } = after.groups ?? {};
  return {
    scheme: scheme.toLowerCase(),
    user,
    password,
    hosts: hosts === '' ? [] : readHosts(hosts),
    path: decode(path),
    params: new Map(new URLSearchParams(query)),
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const hasControlCharacter = (text: string): boolean => /[\u0000-\u001f\u007f]/.test(text);

/** The user ends at the first `@` after which the rest is an address; before it, every character may be a password's. */
function splitUserInfo(rest: string): { userInfo: string; after: RegExpExecArray } {
  const whole = AFTER_USER.exec(rest);
  if (whole !== null) return { userInfo: '', after: whole };
  for (let at = rest.indexOf('@'); at !== -1; at = rest.indexOf('@', at + 1)) {
    const after = AFTER_USER.exec(rest.slice(at + 1));
    if (after !== null) return { userInfo: rest.slice(0, at), after };
  }
  throw new AddressProblem(problemOf(rest.slice(rest.lastIndexOf('@') + 1)));
}

function problemOf(afterUser: string): string {
  if (afterUser.includes('#')) return 'a # after the host must be written %23';
  if (/:(?!\d*(?:[,/?]|$))[^\]]*$/.test(afterUser)) return 'its port is not a number';
  return 'its host, path or parameters cannot be read';
}

function readUserInfo(text: string): { user: string; password: string } {
  const colon = text.indexOf(':');
  const user = colon === -1 ? text : text.slice(0, colon);
  if (/[/?#@]/.test(user))
    throw new AddressProblem('its user holds a character that must be encoded');
  return { user: decode(user), password: colon === -1 ? '' : decode(text.slice(colon + 1)) };
}

/** A `%` that begins no escape sequence stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replace(/%(?![0-9A-Fa-f]{2})/g, '%25'));
  } catch {
    throw new AddressProblem('its escape sequences are not UTF-8');
  }
}

function readHosts(text: string): Host[] {
  return text.split(',').map((one) => {
    const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(one) ?? [];
    return { host: decode(host.replace(/^\[|\]$/g, '')), port: readPort(port) };
  });
}

/** Null for an empty text. */
export function readPort(text: string): number | null {
  if (text === '') return null;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new AddressProblem(`its port ${text} is not between 1 and 65535`);
}

export function limitHosts(hosts: readonly Host[]): readonly Host[] {
  if (hosts.length > MAX_HOSTS) throw new AddressProblem(`it names more than ${MAX_HOSTS} hosts`);
  return hosts;
}

interface SingleHostAddress extends Omit<AddressParts, 'hosts' | 'path'> {
  readonly host: Host;
  /** Encoded, with its slash, or empty. */
  readonly path: string;
}

/** An address in the form that `new URL` and the drivers read alike. */
export function writeAddress(address: SingleHostAddress): string {
  const { host, path } = address;
  return `${beforeHosts(address)}${writeHost(host)}${path}${writeQuery(address.params)}`;
}

function beforeHosts({ scheme, user, password }: Omit<SingleHostAddress, 'host'>): string {
  if (user === '' && password === '') return `${scheme}://`;
  const secret = password === '' ? '' : `:${encodeURIComponent(password)}`;
  return `${scheme}://${encodeURIComponent(user)}${secret}@`;
}

export function writeHost({ host, port }: Host): string {
  const name = host.includes(':') ? `[${host}]` : encodeURIComponent(host);
  return `${name}${port === null ? '' : `:${port}`}`;
}

function writeQuery(params: ReadonlyMap<string, string>): string {
  const pairs = [...params].map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** The address without its password, for messages. A text that cannot be read may be a password all through. */
export function redactAddress(given: string): string {
  try {
    const parts = readAddress(given);
    const params = new Map(
      [...parts.params].map(([key, value]) => [key, /pass/i.test(key) ? '***' : value]),
    );
    const password = parts.password === '' ? '' : '***';
    const before = beforeHosts({ ...parts, params, password });
    const path = parts.path === '' ? '' : `/${encodeURI(parts.path)}`;
    return `${before}${parts.hosts.map(writeHost).join(',')}${path}${writeQuery(params)}`;
  } catch {
    return '(not a URL)';
  }
}
