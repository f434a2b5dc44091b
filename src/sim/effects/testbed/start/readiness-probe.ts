/** Probes whether a process accepts requests, at its start and later. */
import { once } from 'node:events';
import http from 'node:http';
import type { ReadySign } from '../../../topology.ts';
import { isPortOpen } from '../../process/free-port.ts';
import { createOutputSearch } from './output-search.ts';

const ANSWER_LIMIT_MS = 2_000;

/** Status of the answer to a GET over a connection of its own. Bounded. */
export async function getStatus(url: string): Promise<number> {
  const request = http.get(url, { agent: false, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.destroy();
  return response.statusCode!;
}

export interface ReadinessProbe {
  /** Rejects with the reason while it is not ready. */
  ready(): Promise<void>;
  /** The same for a process that was ready before: a line of output is not written again. */
  ping(): Promise<void>;
}

/** Create it before the process starts: earlier output in the log does not count. */
export function createReadinessProbe(
  readySign: Exclude<ReadySign, { message: true }>,
  port: number,
  logFile: string,
): ReadinessProbe {
  if ('output' in readySign) {
    const contains = createOutputSearch(logFile, readySign.output);
    return {
      async ready() {
        if (!contains())
          throw new Error(`no line of its output contains ${JSON.stringify(readySign.output)}`);
      },
      ping: async () => {},
    };
  }
  const check = 'http' in readySign ? () => checkHttp(port, readySign.http) : () => checkTcp(port);
  return { ready: check, ping: check };
}

async function checkTcp(port: number): Promise<void> {
  if (!(await isPortOpen(port))) throw new Error(`nothing accepts connections on port ${port}`);
}

async function checkHttp(port: number, path: string): Promise<void> {
  await checkTcp(port);
  const status = await getStatus(`http://127.0.0.1:${port}${path}`).catch((cause: Error) => {
    throw new Error(`GET ${path} on port ${port} got no answer (${cause.message})`, { cause });
  });
  if (status >= 500) throw new Error(`GET ${path} on port ${port} is answered with ${status}`);
}
