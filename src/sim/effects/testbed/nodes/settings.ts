/** Rejects settings that the testbed sets itself to find, start and reach a server. */
export function settingProblems(
  name: string,
  settings: Readonly<Record<string, string>> | undefined,
  reserved: RegExp,
): string[] {
  return Object.keys(settings ?? {})
    .filter((setting) => reserved.test(setting))
    .map((setting) => `${name} sets ${setting}, which the testbed sets itself`);
}
