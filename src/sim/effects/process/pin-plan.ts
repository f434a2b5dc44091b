/** Which core PostgreSQL gets alone: the incident saturates one core, and nothing else may share it. */
export interface PinPlan {
  /** A `taskset -c` list: `1`, `0,2`. */
  readonly postgres: string;
  readonly rest: string;
}

export function pinPlan(machine: {
  readonly platform: NodeJS.Platform;
  /** Numbers of the cores this process may use; a container may own 4 to 7 only. */
  readonly allowedCores: readonly number[];
  readonly hasTaskset: boolean;
}): PinPlan | null {
  const { platform, allowedCores, hasTaskset } = machine;
  if (platform !== 'linux' || allowedCores.length < 2 || !hasTaskset) return null;
  const ascending = [...allowedCores].sort((a, b) => a - b);
  return { postgres: String(ascending.at(-1)), rest: ascending.slice(0, -1).join(',') };
}

/** Reads the kernel's list format: `0-2,5` is 0, 1, 2, 5. */
export function parseCoreList(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [low, high] = part.split('-').map(Number) as [number, number | undefined];
      return Array.from({ length: (high ?? low) - low + 1 }, (_, index) => low + index);
    });
}
