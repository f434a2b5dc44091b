/** Node names, as used by faults, logs and reports. */
/** `worker`, `eu.worker`; `worker.2` is the second process of `worker`. */
const NODE_NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/;

export function nameProblems(name: string): string[] {
  if (NODE_NAME.test(name) && name.length <= 64) return [];
  return [
    'its name must be words of lower-case letters, digits and hyphens, joined by dots: eu.worker; at most 64 characters',
  ];
}
