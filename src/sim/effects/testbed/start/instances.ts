/**
 * The processes of one node, started together. Each port is chosen beforehand and kept, so that a restarted process has
 * the same address. Several processes start on all cores and are pinned when all are ready.
 */
import { ChildFailure, type ExitNotice } from '../../process/child-process.ts';
import { ControlledProcess } from '../../process/controlled-process.ts';
import { freePort, withFreePort } from '../../process/free-port.ts';
import { pinProcess } from '../../process/pin-running.ts';
import type { UndoStack } from '../../process/undo-stack.ts';
import type { ServiceProcess } from '../service-process.ts';

const ATTEMPTS = 3;

/** Arguments of a process's start, also at each restart. */
export interface InstanceStart {
  readonly name: string;
  readonly port: number;
  readonly cores: string | null;
  readonly signal: AbortSignal;
}

export interface InstancesOptions {
  /** Of the node, for the undo step. */
  readonly node: string;
  readonly names: readonly string[];
  /** The operator's port for a single process; the start fails if it is taken. */
  readonly requestedPort: number | null;
  launch(start: InstanceStart): Promise<ServiceProcess>;
  /** From SIGTERM as a fault to SIGKILL; default: no SIGKILL. */
  readonly killAfterMs?: number;
  readonly cores: string | null;
  readonly undo: UndoStack;
  readonly signal?: AbortSignal | undefined;
  readonly onUnexpectedExit?: ((notice: ExitNotice) => void) | undefined;
}

export interface Instance {
  readonly process: ControlledProcess;
  readonly url: string;
}

export function instanceNames(name: string, instances: number): string[] {
  if (instances === 1) return [name];
  return Array.from({ length: instances }, (_, index) => `${name}.${index + 1}`);
}

/** The operator's port, in a module's params (`platform serve --port`). */
export function requestedPort(
  params: Readonly<Record<string, unknown>> | undefined,
): number | null {
  return typeof params?.port === 'number' && params.port > 0 ? params.port : null;
}

async function choosePorts({
  names,
  requestedPort,
}: InstancesOptions): Promise<Map<string, number>> {
  const ports = new Set<number>();
  if (requestedPort !== null && names.length === 1) ports.add(requestedPort);
  while (ports.size < names.length) ports.add(await freePort());
  return new Map([...ports].map((port, index) => [names[index]!, port]));
}

function isPortTaken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!(error instanceof ChildFailure)) return isPortTaken(error.cause);
  return error.notice.lastLines.some((line) => /EADDRINUSE|address already in use/i.test(line));
}

/** Starts all of them, or none. */
export async function startInstances(options: InstancesOptions): Promise<Instance[]> {
  const attempts = options.requestedPort === null ? ATTEMPTS : 1;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(await choosePorts(options), options);
    } catch (error) {
      if (attempt === attempts || !isPortTaken(error)) throw error;
    }
  }
}

async function startOn(
  ports: ReadonlyMap<string, number>,
  options: InstancesOptions,
): Promise<Instance[]> {
  const failed = new AbortController();
  const coresToPin = ports.size > 1 ? options.cores : null;
  const cores = coresToPin === null ? options.cores : null;
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
  const starts = await Promise.allSettled(
    [...ports].map(async ([name, port]) => {
      try {
        return { name, server: await options.launch({ name, port, cores, signal }) };
      } catch (error) {
        failed.abort(error); // The first failure aborts the other starts and is the one that is reported.
        throw error;
      }
    }),
  );
  const started = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  if (started.length < starts.length) {
    await Promise.all(started.map(({ server }) => server.stop()));
    throw failed.signal.reason;
  }
  if (coresToPin !== null) {
    await Promise.all(started.map(({ server }) => pinProcess(server.pid, coresToPin)));
  }
  const instances = started.map(({ name, server }) => createInstance(name, server, options));
  options.undo.addServers(
    options.node,
    instances.map(({ process, url }) => ({ port: portOf(url), stop: () => process.stop() })),
  );
  return instances;
}

const portOf = (url: string): number => Number(new URL(url).port);

function createInstance(name: string, server: ServiceProcess, options: InstancesOptions): Instance {
  const process = new ControlledProcess({
    name,
    running: server,
    launch: (stopped) => restartAtSamePort(name, server.url, options, stopped),
    onUnexpectedExit: options.onUnexpectedExit,
    ...(options.killAfterMs !== undefined && { killAfterMs: options.killAfterMs }),
  });
  return { process, url: server.url };
}

async function restartAtSamePort(
  name: string,
  url: string,
  options: InstancesOptions,
  signal: AbortSignal,
): Promise<ServiceProcess> {
  const { cores } = options;
  const start = (port: number) => options.launch({ name, port, cores, signal });
  const server = await withFreePort(start, isPortTaken, async () => portOf(url));
  if (server.url === url) return server;
  await server.stop();
  throw new Error(`${name} restarted at ${server.url} instead of ${url}: it ignores params.port`);
}
