/**
 * What the header fields of a proxy say about the client's address: X-Forwarded-For, which most balancers write, and
 * Forwarded (RFC 7239). Elements are read from the right, because each proxy appends one: what a client wrote to the left
 * of them, an open quote too, cannot change how they are read. Pure.
 */
import { isIP } from 'node:net';

/**
 * The field that the trusted proxies write. `x-forwarded-for`: that field, and Forwarded only where it is absent.
 * `forwarded`: Forwarded alone, for proxies that let a client's X-Forwarded-For through.
 */
export type ForwardedField = 'x-forwarded-for' | 'forwarded';

type FieldValue = string | readonly string[] | undefined;

export interface ForwardedHeaders {
  readonly forwarded?: FieldValue;
  readonly 'x-forwarded-for'?: FieldValue;
}

/** Addresses from the last proxy's to the first; null for an element that names none. */
export function* forwardedAddresses(
  headers: ForwardedHeaders,
  field: ForwardedField,
): Generator<string | null> {
  const forwardedFor = field === 'forwarded' ? undefined : headers['x-forwarded-for'];
  if (forwardedFor !== undefined) {
    for (const element of elementsFromRight(textOf(forwardedFor)))
      yield element === null ? null : nodeAddress(element);
  } else if (headers.forwarded !== undefined) {
    for (const element of elementsFromRight(textOf(headers.forwarded)))
      yield element === null ? null : nodeAddress(forParameter(element) ?? '');
  }
}

/** Several header lines are one list (RFC 9110). */
const textOf = (value: string | readonly string[]): string =>
  typeof value === 'string' ? value : value.join(',');

/**
 * Elements of a list, the last one first, without empty ones, which RFC 9110 lets a recipient ignore. Commas in a quoted
 * string do not separate. Null, and nothing after it, where a quoted string has no beginning.
 */
function* elementsFromRight(text: string): Generator<string | null> {
  let end = text.length;
  let isQuoted = false;
  for (let at = text.length - 1; at >= -1; at -= 1) {
    const character = text[at];
    if (character === '"' && !(isQuoted && isEscaped(text, at))) isQuoted = !isQuoted;
    if (at >= 0 && (isQuoted || character !== ',')) continue;
    if (isQuoted) return yield null;
    const element = text.slice(at + 1, end).trim();
    end = at;
    if (element !== '') yield element;
  }
}

/** After an odd number of backslashes. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text[first - 1] === '\\') first -= 1;
  return (at - first) % 2 === 1;
}

const PAIR = /^([!#$%&'*+\-.^_`|~\w]+)=("(?:[^"\\]|\\.)*"|[^\s";,]*)$/;

/** The value of `for`, as written; null when the element has none, several, or is not a list of pairs. */
function forParameter(element: string): string | null {
  const values: string[] = [];
  // A semicolon in a quoted string does not separate.
  for (const pair of element.match(/(?:"(?:[^"\\]|\\.)*"|[^";])+|"/g) ?? []) {
    const match = PAIR.exec(pair.trim());
    if (!match) return null;
    if (match[1]!.toLowerCase() === 'for') values.push(match[2]!);
  }
  return values.length === 1 ? values[0]! : null;
}

/** A node with its port, which may be obfuscated (`_gazonk`). */
const NODE = /^(?:\[([^\]]*)\]|([\d.]+))(?::(?:(\d{1,5})|_[\w.-]+))?$/;
const MAX_PORT = 65_535;

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, quoted or not; null for anything else. */
function nodeAddress(text: string): string | null {
  const isQuoted = text.length > 1 && text.startsWith('"') && text.endsWith('"');
  const node = isQuoted ? text.slice(1, -1).replace(/\\(.)/g, '$1').trim() : text;
  const [, bracketed, ipv4 = node, port = '0'] = NODE.exec(node) ?? [];
  const address = bracketed ?? ipv4;
  const isAddress = bracketed === undefined ? isIP(address) !== 0 : isIP(address) === 6;
  // A zone names an interface of some other host.
  return isAddress && !address.includes('%') && Number(port) <= MAX_PORT ? address : null;
}
