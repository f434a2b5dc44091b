/**
 * The processes of one node, started together: each has a port that is chosen beforehand and stays its own, so that
 * it comes back at the same address. Several start on all cores and are pinned when all are ready.
 */
import { ChildFailure, type DeathNotice } from '../../process/child-process.ts';
import { ControlledProcess } from '../../process/controlled-process.ts';
import { freePort, onFreePort } from '../../process/free-port.ts';
import { pinRunning } from '../../process/pin-running.ts';
import type { Undo } from '../../process/undo.ts';
import type { ServiceProcess } from '../service-process.ts';

const ATTEMPTS = 3;

/** How one process is started: again at each restart. */
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
  /** A port of the operator's choice for a single process, which is kept or refused. */
  readonly wishedPort: number | null;
  launch(start: InstanceStart): Promise<ServiceProcess>;
  /** From SIGTERM as a fault to SIGKILL; default: no SIGKILL. */
  readonly killAfterMs?: number;
  readonly cores: string | null;
  readonly undo: Undo;
  readonly signal?: AbortSignal | undefined;
  readonly onDeath?: ((notice: DeathNotice) => void) | undefined;
}

export interface Instance {
  readonly process: ControlledProcess;
  readonly url: string;
}

export function instanceNames(name: string, instances: number): string[] {
  if (instances === 1) return [name];
  return Array.from({ length: instances }, (_, index) => `${name}.${index + 1}`);
}

/** A port of the operator's choice, in a module's params (`platform serve --port`). */
export function wishedPort(params: Readonly<Record<string, unknown>> | undefined): number | null {
  return typeof params?.port === 'number' && params.port > 0 ? params.port : null;
}

async function choosePorts({ names, wishedPort }: InstancesOptions): Promise<Map<string, number>> {
  const ports = new Set<number>();
  if (wishedPort !== null && names.length === 1) ports.add(wishedPort);
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
  const attempts = options.wishedPort === null ? ATTEMPTS : 1;
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
  const pinLater = ports.size > 1 ? options.cores : null;
  const cores = pinLater === null ? options.cores : null;
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
  const starts = await Promise.allSettled(
    [...ports].map(async ([name, port]) => {
      try {
        return { name, server: await options.launch({ name, port, cores, signal }) };
      } catch (error) {
        failed.abort(error); // The first failure is the one to tell; the others need not go on.
        throw error;
      }
    }),
  );
  const started = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  if (started.length < starts.length) {
    await Promise.all(started.map(({ server }) => server.stop()));
    throw failed.signal.reason;
  }
  if (pinLater !== null) {
    await Promise.all(started.map(({ server }) => pinRunning(server.pid, pinLater)));
  }
  const instances = started.map(({ name, server }) => control(name, server, options));
  options.undo.addServers(
    options.node,
    instances.map(({ process, url }) => ({ port: portOf(url), stop: () => process.stop() })),
  );
  return instances;
}

const portOf = (url: string): number => Number(new URL(url).port);

function control(name: string, server: ServiceProcess, options: InstancesOptions): Instance {
  const process = new ControlledProcess({
    name,
    running: server,
    launch: (stopped) => relaunch(name, server.url, options, stopped),
    onDeath: options.onDeath,
    ...(options.killAfterMs !== undefined && { killAfterMs: options.killAfterMs }),
  });
  return { process, url: server.url };
}

async function relaunch(
  name: string,
  url: string,
  options: InstancesOptions,
  signal: AbortSignal,
): Promise<ServiceProcess> {
  const { cores } = options;
  const start = (port: number) => options.launch({ name, port, cores, signal });
  const server = await onFreePort(start, isPortTaken, async () => portOf(url));
  if (server.url === url) return server;
  await server.stop();
  throw new Error(`${name} came back at ${server.url} instead of ${url}: it ignores params.port`);
}
