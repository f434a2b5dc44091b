/**
 * Limits of the machine and of the load generator. What fails by them says nothing about the design: the verdict is
 * unknown, and the limit has a name.
 */
import type { OperationRecord } from '../../history.ts';
import type { ValidityCheck } from '../../result.ts';
import type { MachineLimit } from './measurements.ts';

/** Error of an arrival for which k6 had no free virtual user. */
export const NO_FREE_USER = 'no free virtual user';

/** Errors of a request that never left the generator. No server can cause them. */
const GENERATOR_LIMITS: Readonly<Record<string, string>> = {
  EMFILE: "the generator's file descriptors (ulimit -n)",
  ENFILE: "the machine's file descriptors (fs.file-max)",
  EADDRNOTAVAIL: "the machine's client ports (net.ipv4.ip_local_port_range)",
  ENOBUFS: "the machine's socket buffers",
  ENOMEM: "the machine's memory",
  [NO_FREE_USER]: "k6's virtual users (maxVUs)",
};

/** Empty where no limit was met. */
export function checkMachineLimits(
  attempts: readonly OperationRecord[],
  limits: readonly MachineLimit[],
): ValidityCheck[] {
  const counts = new Map<string, number>();
  for (const { error = '', sentUs } of attempts) {
    const name =
      sentUs < 0 && Object.hasOwn(GENERATOR_LIMITS, error) ? GENERATOR_LIMITS[error]! : null;
    if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const met = [
    ...limits.map(({ what }) => what),
    ...[...counts].map(([name, count]) => `${count} requests met the limit of ${name}`),
  ];
  if (met.length === 0) return [];
  return [
    {
      id: 'machine-limits',
      statement: 'neither the generator nor the machine met a limit',
      measured: met.join('; '),
      limit: 'none met',
      ok: false,
      severity: 'unknown',
    },
  ];
}
