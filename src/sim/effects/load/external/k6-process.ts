/** One k6 process, started with its script and waiting at its gate until the load begins. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, ChildFailure, startChild } from '../../process/child-process.ts';
import { preferGenerator } from '../engine/generator-priority.ts';
import type { constantLoad, PlannedRequest } from '../engine/request-plan.ts';
import type { SenderOptions } from '../engine/sender.ts';
import { MAX_CAPTURE_BYTES } from '../http/response-parser.ts';
import { K6Gate } from './k6-gate.ts';
import { type K6Request, k6Script } from './k6-script.ts';

/** k6 starts slowly with a thousand users and half a million requests. */
const GATE_LIMIT_MS = 90_000;

export interface K6Process {
  readonly child: Child;
  /** NDJSON of its samples. */
  readonly samplesFile: string;
  /** Lets the load begin. */
  open(): void;
  /** Stops it and removes its files. */
  remove(): Promise<void>;
}

export async function startK6(
  plan: readonly PlannedRequest[],
  { ratePerSecond, durationMs }: ReturnType<typeof constantLoad>,
  { lease, logFile, timeoutMs, cores = null }: SenderOptions,
): Promise<K6Process> {
  mkdirSync(lease.folder, { recursive: true });
  // The plan holds credentials: its folder is removed with the lease.
  const folder = mkdtempSync(path.join(lease.folder, 'k6-'));
  const samplesFile = path.join(folder, 'samples.ndjson');
  const gate = await K6Gate.listen();
  let child: Child | null = null;
  const remove = async () => {
    gate.close();
    await child?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    writeFileSync(path.join(folder, 'plan.json'), JSON.stringify(plan.map(toK6Request)), {
      mode: 0o600,
    });
    const script = k6Script({
      ratePerSecond,
      durationMs,
      timeoutMs,
      gateUrl: gate.url,
      gateLimitMs: GATE_LIMIT_MS,
      planFile: './plan.json',
      maxCaptureBytes: MAX_CAPTURE_BYTES,
    });
    writeFileSync(path.join(folder, 'script.js'), script);
    child = await startChild({
      name: 'k6',
      command: 'k6',
      cwd: folder,
      logFile,
      user: null,
      cores,
      lease,
      args: [
        'run',
        '--quiet',
        '--no-color',
        '--no-usage-report',
        '--address',
        '',
        '--out',
        `json=${samplesFile}`,
        'script.js',
      ],
      env: withoutK6Variables(process.env),
      stopSignals: ['SIGINT'],
    });
    preferGenerator(child.pid);
    await waitUntilAtGate(child, gate);
  } catch (error) {
    await remove();
    throw error;
  }
  return { child, samplesFile, open: () => gate.open(), remove };
}

function toK6Request({ method, url, headers, body, capture }: PlannedRequest): K6Request {
  return { method, url, headers, body, capture };
}

/** K6_* variables would override the script's options. */
function withoutK6Variables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('K6_')));
}

async function waitUntilAtGate(child: Child, gate: K6Gate): Promise<void> {
  const timer = new AbortController();
  try {
    const late = sleep(GATE_LIMIT_MS, 'running', { signal: timer.signal });
    const failure = await Promise.race([
      gate.reached.then(() => null),
      child.exited.then(({ status }) => status),
      late,
    ]);
    if (failure !== null) {
      throw new ChildFailure('was not ready to begin', child.notice(failure));
    }
  } finally {
    timer.abort();
  }
}
