/** Registry of named kinds: those shipped, and those registered by a user's module or a test. */

export interface Registry<Kind extends { readonly kind: string }> {
  /** Throws RangeError with the known names. */
  of(kind: string): Kind;
  all(): readonly Kind[];
  /** Throws RangeError when the name is taken. Returns a function that unregisters the kind. */
  register(kind: Kind): () => void;
}

export function createRegistry<Kind extends { readonly kind: string }>(
  what: string,
  shipped: readonly Kind[],
): Registry<Kind> {
  const kinds = new Map<string, Kind>();
  const register = (kind: Kind): (() => void) => {
    if (kinds.has(kind.kind)) throw new RangeError(`two kinds of ${what} are called ${kind.kind}`);
    kinds.set(kind.kind, kind);
    return () => void kinds.delete(kind.kind);
  };
  for (const kind of shipped) register(kind);
  return {
    register,
    all: () => [...kinds.values()],
    of(name) {
      const kind = kinds.get(name);
      if (kind !== undefined) return kind;
      const known = [...kinds.keys()].join(', ');
      throw new RangeError(`there is no kind of ${what} "${name}"; known: ${known}`);
    },
  };
}
