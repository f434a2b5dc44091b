/**
 * Round robin over the accounts, all or those of one group, in a seeded order: each is used equally often. `position`
 * keeps growing over the rounds, so that a list of credentials longer than the accounts is used evenly too.
 */
import { type Random, shuffled } from '../random.ts';

/** Indexes of each group's accounts, in the file's order. */
export type AccountGroups = ReadonlyMap<string, readonly number[]>;

export const NO_GROUPS: AccountGroups = new Map();

export function groupsOf(
  accounts: readonly { readonly group?: string | undefined }[],
): AccountGroups {
  const groups = new Map<string, number[]>();
  for (const [index, { group }] of accounts.entries()) {
    if (group === undefined) continue;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [index]);
    else members.push(index);
  }
  return groups;
}

export class RoundRobin {
  readonly #order: Uint32Array;
  /** Null: all accounts. */
  readonly #members: readonly number[] | null;
  #step = -1;

  constructor(random: Random, count: number, members: readonly number[] | null = null) {
    this.#order = shuffled(random, members?.length ?? count);
    this.#members = members;
  }

  advance(): void {
    this.#step += 1;
  }

  /** Index of the account, -1 when there is none. */
  get account(): number {
    const index = this.#index;
    return index === -1 ? -1 : (this.#members?.[index] ?? index);
  }

  /** Index within the group plus its size for every completed round; -1 when it is empty. */
  get position(): number {
    const size = this.#order.length;
    return size === 0 ? -1 : this.#index + Math.floor(this.#step / size) * size;
  }

  get #index(): number {
    return this.#order[this.#step % this.#order.length] ?? -1;
  }
}
