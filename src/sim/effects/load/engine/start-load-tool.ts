/**
 * The load generators of a run. Ours is the default (design.md, D-045); the others are for comparison, and their limits
 * are checked before anything is started.
 */
import { createRequire } from 'node:module';
import { EnvironmentError, UsageError } from '../../../errors.ts';
import { type LoadTool, timesFromSend } from '../../../pure/load/load-tool.ts';
import type { OperationTemplate } from '../../../pure/load/workload.ts';
import { findProgram } from '../../process/find-program.ts';
import { K6Sender } from '../external/k6-sender.ts';
import { type Sender, type SenderOptions, startSender } from './sender.ts';

/** Throws when the tool is not installed or cannot play the load. */
export function requireLoadTool(
  tool: LoadTool,
  load: { readonly ratePerSecond: number; readonly operations: readonly OperationTemplate[] },
  env: NodeJS.ProcessEnv = process.env,
): void {
  if (!timesFromSend(tool)) return;
  const stateful = load.operations.find(
    ({ as = 'live', revokesCredential, issuesCredential, retry }) =>
      as !== 'live' ||
      (revokesCredential ?? false) !== false ||
      issuesCredential !== undefined ||
      retry !== undefined,
  );
  if (stateful !== undefined) {
    throw new UsageError({
      what: `--load ${tool} cannot play the operation "${stateful.name}"`,
      why: 'it depends on earlier answers (a credential it issues or revokes, a retry), which only our own schedule follows',
      next: 'repeat the command without --load, or with --load undici',
    });
  }
  const kept = load.operations.find(({ captureHeaders = [] }) => captureHeaders.length > 0);
  if (kept !== undefined) {
    throw new UsageError({
      what: `--load ${tool} cannot play the operation "${kept.name}"`,
      why: 'headers of its answers belong in the history, and the tool does not hand them over',
      next: 'repeat the command without --load, or with --load undici',
    });
  }
  if (tool === 'k6' && findProgram('k6', env) === null) {
    throw new EnvironmentError({
      what: '--load k6 needs k6, and there is none on PATH',
      why: 'k6 is a program of its own; platform generates its script and reads its samples',
      next: 'go install go.k6.io/k6@latest',
    });
  }
  if (tool === 'autocannon') requireAutocannon(load.ratePerSecond);
}

function requireAutocannon(ratePerSecond: number): void {
  try {
    createRequire(import.meta.url).resolve('autocannon');
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: '--load autocannon needs the package autocannon, and it is not installed',
        why: 'it is no dependency of platform: only this flag uses it',
        next: 'npm i autocannon',
      },
      { cause },
    );
  }
  if (Number.isInteger(ratePerSecond)) return;
  throw new UsageError({
    what: `--load autocannon cannot send ${ratePerSecond} requests a second`,
    why: 'its rate is a whole number of requests a second',
    next: `repeat the command with --rate ${Math.ceil(ratePerSecond)}/s`,
  });
}

/** Starts the generator's process; k6 is started for each load. */
export async function startLoadTool(
  tool: LoadTool | null,
  options: SenderOptions,
): Promise<Sender> {
  if (tool === 'k6') return new K6Sender(options);
  return startSender(tool === null ? options : { ...options, load: tool });
}
