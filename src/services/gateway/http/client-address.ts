/**
 * The client's address behind load balancers. Each appends the address it was called from (forwarded.ts), so from the
 * right, the first address that is not a trusted proxy is the client. Elements further left were written by the client
 * and are ignored. If an element names no address, the headers are not trusted and the socket's address is used. Pure.
 */
import { BlockList, isIP } from 'node:net';
import { type ForwardedField, type ForwardedHeaders, forwardedAddresses } from './forwarded.ts';

export type ClientAddress = (
  socketAddress: string | undefined,
  headers: ForwardedHeaders,
) => string;

const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** `trusted`: addresses and CIDR ranges of our load balancers, `10.0.0.0/8`. */
export function createClientAddress(
  trusted: readonly string[],
  field: ForwardedField = 'x-forwarded-for',
): ClientAddress {
  const trustedProxies = new BlockList();
  for (const range of trusted) {
    const [network = '', prefix] = range.split('/');
    if (isIP(network) === 0) throw new Error(`not an address or a CIDR range: '${range}'`);
    if (prefix === undefined) trustedProxies.addAddress(network, family(network));
    else trustedProxies.addSubnet(network, Number(prefix), family(network));
  }
  const isTrusted = (address: string) => trustedProxies.check(address, family(address));
  return (socketAddress, headers) => {
    // Without the zone of a link-local address, which names our own network interface.
    const socket = (socketAddress ?? '').split('%', 1)[0]!;
    if (!headers['x-forwarded-for'] && !headers.forwarded) return socket;
    if (!isTrusted(socket)) return socket;
    let address = socket;
    for (const next of forwardedAddresses(headers, field)) {
      if (next === null) return socket;
      address = next;
      if (!isTrusted(address)) return address;
    }
    return address;
  };
}
