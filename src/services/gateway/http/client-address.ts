/**
 * The client's address behind load balancers. Each appends the address it was called from to X-Forwarded-For, so from
 * the right, the first address that is not a trusted proxy is the client. Entries further left were written by the
 * client and are ignored. If an entry is not an address, the header is not trusted and the socket's address is used.
 * Pure.
 */
import { BlockList, isIP } from 'node:net';

export type ClientAddress = (
  socketAddress: string | undefined,
  forwardedFor: string | readonly string[] | undefined,
) => string;

const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** `trusted`: addresses and CIDR ranges of our load balancers, `10.0.0.0/8`. */
export function createClientAddress(trusted: readonly string[]): ClientAddress {
  const trustedProxies = new BlockList();
  for (const range of trusted) {
    const [network = '', prefix] = range.split('/');
    if (isIP(network) === 0) throw new Error(`not an address or a CIDR range: '${range}'`);
    if (prefix === undefined) trustedProxies.addAddress(network, family(network));
    else trustedProxies.addSubnet(network, Number(prefix), family(network));
  }
  return (socketAddress, forwardedFor) => {
    // Without the zone of a link-local address, which names our own network interface.
    const socket = (socketAddress ?? '').split('%', 1)[0]!;
    if (!forwardedFor || forwardedFor.length === 0) return socket;
    let address = socket;
    const entries = String(forwardedFor).split(',');
    while (trustedProxies.check(address, family(address))) {
      const next = entries.pop()?.trim();
      if (next === undefined) return address;
      if (isIP(next) === 0 || next.includes('%')) return socket;
      address = next;
    }
    return address;
  };
}
