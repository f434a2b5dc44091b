/** Settings that belong to the testbed, because it finds, starts and reaches a server by them. */

export function settingProblems(
  name: string,
  settings: Readonly<Record<string, string>> | undefined,
  kept: RegExp,
): string[] {
  return Object.keys(settings ?? {})
    .filter((setting) => kept.test(setting))
    .map((setting) => `${name} sets ${setting}, which the testbed sets itself`);
}
