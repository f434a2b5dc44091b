/** The addresses of a run's own stores for its operator: printed without the password, which is in a file. */
import path from 'node:path';
import { createPrivateFolder, writePrivateFile } from '../process/cache.ts';
import type { Lease } from '../process/lease.ts';
import { redactAddress } from './addresses/address-text.ts';
import type { RunningNode } from './node.ts';

const fileOf = (folder: string, node: string): string =>
  path.join(folder, 'secrets', `${node}.url`);

/** Of a server of the run: one of the operator has no members. */
const hasPassword = ({ address: { url }, members }: RunningNode): boolean =>
  members.length > 0 && new URL(url).password !== '';

export async function publishAddress(
  { folder }: Pick<Lease, 'folder'>,
  node: RunningNode,
): Promise<void> {
  if (!hasPassword(node)) return;
  await createPrivateFolder(path.join(folder, 'secrets'), null);
  await writePrivateFile(fileOf(folder, node.name), node.address.url, null);
}

export function describeAddress({ folder }: Pick<Lease, 'folder'>, node: RunningNode): string {
  const { url } = node.address;
  if (new URL(url).password === '') return url;
  const where = hasPassword(node) ? `  password in ${fileOf(folder, node.name)}` : '';
  return `${redactAddress(url)}${where}`;
}
