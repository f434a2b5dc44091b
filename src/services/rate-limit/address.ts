/**
 * The subject of an address limit: an IPv4 address, also when it is carried inside an IPv6 address, or the /64 of an IPv6
 * address, because a subscriber has at least that many addresses and may use a new one for each request. Pure.
 */
import { isIP } from 'node:net';

/** `203.0.113.7`, `2001:db8:0:7::/64`; null when the text is not an address. */
export function normalizeAddress(text: string): string | null {
  // A link-local address may name the interface.
  const address = text.trim().split('%', 1)[0]!.toLowerCase();
  const version = isIP(address);
  if (version === 0) return null;
  if (version === 4) return address;
  const groups = groupsOf(address);
  const ipv4 = ipv4Inside(groups);
  if (ipv4) return ipv4.flatMap((group) => [group >> 8, group & 255]).join('.');
  const network = groups.slice(0, 4);
  while (network.at(-1) === 0) network.pop();
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

/** A part of an IPv4 address. */
const FIRST_OCTET = 0x100;

/**
 * The two halves of the IPv4 address that an IPv6 address stands for; null for one that stands for itself. Whoever has
 * the IPv4 address would otherwise have other limits under each of these.
 */
function ipv4Inside(groups: readonly number[]): readonly [number, number] | null {
  const [g0, g1, g2, g3, g4, g5, g6, g7] = groups as readonly number[] & { readonly length: 8 };
  const last = [g6!, g7!] as const;
  if (g0 === 0 && g1 === 0 && g2 === 0 && g3 === 0) {
    // IPv4-mapped ::ffff:0:0/96 and IPv4-translated ::ffff:0:0:0/96 (RFC 2765).
    if ((g4 === 0 && g5 === 0xffff) || (g4 === 0xffff && g5 === 0)) return last;
    // IPv4-compatible ::/96; below ::1.0.0.0 are the loopback and the unspecified address.
    return g4 === 0 && g5 === 0 && g6! >= FIRST_OCTET ? last : null;
  }
  if (g0 === 0x64 && g1 === 0xff9b) {
    // NAT64, well-known (RFC 6052).
    if (g2 === 0 && g3 === 0 && g4 === 0 && g5 === 0) return last;
    // NAT64, local use (RFC 8215): a translator's /96 of it, or all of it, with the octet 8 left out.
    if (g2 !== 1) return null;
    return g6 !== 0 || g7 !== 0 ? last : [g3!, ((g4! & 255) << 8) | (g5! >> 8)];
  }
  // 6to4 (RFC 3056).
  if (g0 === 0x2002) return [g1!, g2!];
  // Teredo (RFC 4380): the client's address with every bit inverted.
  if (g0 === 0x2001 && g1 === 0) return [g6! ^ 0xffff, g7! ^ 0xffff];
  return null;
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [left = [], right] = address.split('::').map(halfOf);
  if (right === undefined) return left;
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function halfOf(half: string): number[] {
  if (half === '') return [];
  return half.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a, b, c, d] = group.split('.').map(Number);
    return [a! * 256 + b!, c! * 256 + d!];
  });
}
