/**
 * Where a request comes from, when load balancers stand in front: each appends the address it was called from to
 * X-Forwarded-For, so from the right, the first address that is not one of ours is the client. What stands further
 * left was written by the client and is not looked at. An entry that is no address says that nothing here can be
 * trusted: then it is the socket's. Pure.
 */
import { BlockList, isIP } from 'node:net';

export type ClientAddress = (
  socketAddress: string | undefined,
  forwardedFor: string | readonly string[] | undefined,
) => string;

const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** `trusted`: addresses and CIDR ranges of our load balancers, `10.0.0.0/8`. */
export function createClientAddress(trusted: readonly string[]): ClientAddress {
  const ours = new BlockList();
  for (const range of trusted) {
    const [network = '', prefix] = range.split('/');
    if (isIP(network) === 0) throw new Error(`not an address or a CIDR range: '${range}'`);
    if (prefix === undefined) ours.addAddress(network, family(network));
    else ours.addSubnet(network, Number(prefix), family(network));
  }
  return (socketAddress, forwardedFor) => {
    // Of a link-local address, the part that names our own interface.
    const socket = (socketAddress ?? '').split('%', 1)[0]!;
    if (!forwardedFor || forwardedFor.length === 0) return socket;
    let address = socket;
    const entries = String(forwardedFor).split(',');
    while (ours.check(address, family(address))) {
      const next = entries.pop()?.trim();
      if (next === undefined) return address;
      if (isIP(next) === 0 || next.includes('%')) return socket;
      address = next;
    }
    return address;
  };
}
