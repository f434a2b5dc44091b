/** Binary heap of items by due time; items of the same instant leave in insertion order. */
interface Entry<T> {
  readonly dueUs: number;
  readonly order: number;
  readonly item: T;
}

export class DueHeap<T> {
  readonly #entries: Entry<T>[] = [];
  #order = 0;

  /** Infinity when empty. */
  get nextUs(): number {
    return this.#entries[0]?.dueUs ?? Number.POSITIVE_INFINITY;
  }

  push(dueUs: number, item: T): void {
    const entries = this.#entries;
    const entry = { dueUs, order: this.#order, item };
    this.#order += 1;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): T | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const moved = entries.pop();
    if (first === undefined || moved === undefined || first === moved) return first?.item;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && isBefore(entries[child + 1]!, entries[child]!)) child += 1;
      if (!isBefore(entries[child]!, moved)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = moved;
    return first.item;
  }
}

function isBefore(one: Entry<unknown>, other: Entry<unknown>): boolean {
  return one.dueUs < other.dueUs || (one.dueUs === other.dueUs && one.order < other.order);
}
