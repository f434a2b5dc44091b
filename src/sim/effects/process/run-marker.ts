/**
 * Two environment variables in every child of a run, inherited by its descendants. They find processes that left their
 * parent, process group and session. Linux only; a program that clears its environment is not found.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type ProcessStamp, startTimeOf } from './process-table.ts';

/** The run's folder, which is unique on the machine where a run id is not. */
const RUN = 'PLATFORM_RUN';
/** Which child of the run, and which start of it. */
const CHILD = 'PLATFORM_RUN_CHILD';

export interface MarkedProcess extends ProcessStamp {
  readonly folder: string;
  readonly child: string;
}

let lastStart = 0;

/** Unique for each call, so that a restarted child differs from the one before it. */
export function nextMarker(name: string): string {
  lastStart += 1;
  return `${name}#${lastStart}`;
}

export const markedEnvironment = (folder: string, child: string): NodeJS.ProcessEnv => ({
  [RUN]: folder,
  [CHILD]: child,
});

/** Every process of this machine that carries the marker and whose environment we may read. */
function allMarked(): MarkedProcess[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const environment = readEnvironment(pid);
    const folder = environment.get(RUN);
    if (folder === undefined) return [];
    const startTime = startTimeOf(pid);
    const child = environment.get(CHILD) ?? '';
    return startTime === null ? [] : [{ pid, startTime, folder, child }];
  });
}

function readEnvironment(pid: number): Map<string, string> {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, 'utf8');
    if (!text.includes(`${RUN}=`)) return new Map();
    const pairs = text.split('\0').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    });
    return new Map(pairs);
  } catch {
    return new Map(); // Ended, or of another account.
  }
}

/** Running processes of one child of a run; without `child`, of all. */
export function markedProcesses(folder: string, child?: string): ProcessStamp[] {
  return allMarked().filter(
    (one) => one.folder === folder && (child === undefined || one.child === child),
  );
}

/** Folders of the runs that processes of this machine belong to. */
export function markedFolders(): string[] {
  return [...new Set(allMarked().map(({ folder }) => folder))];
}
