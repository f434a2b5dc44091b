/** How the testbed sees that a process accepts requests, and later that it still does. */
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

export interface SignProbe {
  /** Rejects with what is missing. */
  ready(): Promise<void>;
  /** The same of a process that has been ready: a line of output is not written twice. */
  answers(): Promise<void>;
}

/** Made before the process starts: output that is there already is not its own. */
export function probeSign(
  sign: Exclude<ReadySign, { message: true }>,
  port: number,
  logFile: string,
): SignProbe {
  if ('output' in sign) {
    const contains = createOutputSearch(logFile, sign.output);
    return {
      async ready() {
        if (!contains())
          throw new Error(`no line of its output contains ${JSON.stringify(sign.output)}`);
      },
      answers: async () => {},
    };
  }
  const check = 'http' in sign ? () => checkHttp(port, sign.http) : () => checkTcp(port);
  return { ready: check, answers: check };
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
