/**
 * PostgreSQL refuses to run as root. When this process is root, PostgreSQL and Redis run under another account of the
 * machine; otherwise under the same.
 */
import { execFileSync } from 'node:child_process';

export interface RunUser {
  readonly uid: number;
  readonly gid: number;
}

/** Null when this machine has no such account. */
export function accountId(flag: '-u' | '-g', name: string): number | null {
  try {
    const text = execFileSync('id', [flag, name], {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(text, 10);
  } catch {
    return null; // No such account here: the caller tries the next one.
  }
}

/** Null when the process is not root: children then run as the same user. */
export function runUser(): RunUser | null {
  if (process.getuid?.() !== 0) return null;
  for (const name of ['postgres', 'nobody']) {
    const uid = accountId('-u', name);
    const gid = accountId('-g', name);
    if (uid !== null && gid !== null && uid !== 0) return { uid, gid };
  }
  return { uid: 65_534, gid: 65_534 };
}
