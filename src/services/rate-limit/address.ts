/**
 * The subject of an address limit: an IPv4 address, also when it is written as IPv6, or the /64 of an IPv6
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
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (mapped)
    return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.');
  const network = groups.slice(0, 4);
  while (network.at(-1) === 0) network.pop();
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
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
