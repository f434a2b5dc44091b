/**
 * What a bench stands on: a temporary folder, child processes that are gone when it ends, and our own sender as
 * a run would start it. Everything is removed in `remove`, whatever happened before.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { monotonicUs } from '../dist/sim/effects/load/engine/monotonic-clock.js';
import { readHistory } from '../dist/sim/effects/load/engine/read-history.js';
import { startLoadTool } from '../dist/sim/effects/load/engine/start-load-tool.js';
import { createLease } from '../dist/sim/effects/process/lease.js';

const MESSAGE_LIMIT_MS = 60_000;

/** @typedef {import('../dist/sim/history.js').OperationRecord} OperationRecord */
/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {import('../dist/sim/pure/load/load-tool.js').LoadTool} LoadTool */

/** @param {string} name */
export async function makeBed(name) {
  const folder = await mkdtemp(path.join(tmpdir(), 'platform-bench-'));
  const lease = createLease({ runId: `bench-${name}-${process.pid}`, cache: folder });
  const historyFile = path.join(folder, 'history.ndjson');
  /** @type {(() => Promise<unknown>)[]} */
  const endings = [];

  return {
    /**
     * @param {string} module beside this file
     * @param {string[]} args
     */
    start(module, ...args) {
      const child = fork(fileURLToPath(new URL(module, import.meta.url)), args);
      lease.addChild({ pid: /** @type {number} */ (child.pid), name: module });
      endings.push(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, 'exit');
        child.kill('SIGKILL'); // Also ends a stopped process; nothing here has anything to save.
        await exited;
      });
      return child;
    },

    /** @param {{ port: number, maxConnections: number, nodeArgs?: string[], tool?: LoadTool | null }} target */
    async startSender({ port, maxConnections, nodeArgs = [], tool = null }) {
      const accountsFile = path.join(folder, 'accounts.json');
      await writeFile(accountsFile, '[]');
      const sender = await startLoadTool(tool, {
        targets: [{ name: 'stub', url: `http://127.0.0.1:${port}` }],
        accountsFile,
        historyFile,
        requestIdPrefix: 'bench-',
        originUs: monotonicUs(),
        timeoutMs: 10_000,
        maxConnections,
        nodeArgs,
        lease,
        logFile: path.join(folder, 'sender.log'),
      });
      endings.push(() => sender.close());
      return sender;
    },

    /**
     * The operations of one phase.
     * @param {string} phase
     */
    async operations(phase) {
      /** @type {OperationRecord[]} */
      const found = [];
      for await (const record of readHistory(historyFile)) {
        if (record.kind === 'op' && record.phase === phase) found.push(record);
      }
      return found;
    },

    async remove() {
      for (const end of endings.reverse()) await end();
      await lease.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * The child's next message. Fails when the child ends or says nothing for a minute.
 * @param {ChildProcess} child
 * @returns {Promise<any>}
 */
export async function nextMessage(child) {
  const over = new AbortController();
  const limit = AbortSignal.any([over.signal, AbortSignal.timeout(MESSAGE_LIMIT_MS)]);
  try {
    const [message] = await Promise.race([
      once(child, 'message', { signal: limit }),
      once(child, 'exit', { signal: limit }).then(() => {
        throw new Error(`process ${child.pid} ended (${child.signalCode ?? child.exitCode})`);
      }),
    ]);
    return message;
  } finally {
    over.abort();
  }
}

/**
 * CPU time of a process and all its threads. schedstat counts nanoseconds where stat counts 10 ms ticks.
 * @param {number} pid
 */
export function cpuUs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
    return sum + Number(text.split(' ', 1)[0]) / 1000;
  }, 0);
}

/**
 * @param {number} ratePerSecond
 * @param {number} durationMs
 * @returns {import('../dist/sim/pure/load/workload.js').OpenWorkload}
 */
export function constantRate(ratePerSecond, durationMs) {
  return {
    kind: 'open',
    arrivals: 'constant',
    stages: [{ ratePerSecond, durationMs }],
    operations: [{ name: 'get', weight: 1, method: 'GET', path: '/', anonymous: true }],
  };
}
