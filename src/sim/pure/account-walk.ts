/**
 * Who acts next: the accounts, all or those of one group, in a seeded order, walked round and round, so that each
 * is used equally often. The position goes on over the rounds: a list of credentials that has grown longer than
 * the accounts is still walked evenly.
 */
import { type Random, shuffled } from './random.ts';

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

export class AccountWalk {
  readonly #order: Uint32Array;
  /** Null: all accounts, each at the place of its index. */
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
    const place = this.#place;
    return place === -1 ? -1 : (this.#members?.[place] ?? place);
  }

  /** Its place among those that are walked, and their number for every round that is behind us. */
  get position(): number {
    const size = this.#order.length;
    return size === 0 ? -1 : this.#place + Math.floor(this.#step / size) * size;
  }

  get #place(): number {
    return this.#order[this.#step % this.#order.length] ?? -1;
  }
}
