/**
 * The processes of the service under test: `gateway`, or `gateway.1`, `gateway.2`..., started together. Each has
 * a port that is chosen beforehand and stays its own, so that it comes back at the same address.
 */
import type { ProcessSpec } from '../../scenario.ts';
import { ChildFailure, type DeathNotice } from '../process/child-process.ts';
import { ControlledProcess } from '../process/controlled-process.ts';
import { freePort, onFreePort } from '../process/free-port.ts';
import type { Lease } from '../process/lease.ts';
import { pinRunning } from '../process/pin-running.ts';
import type { Undo } from '../process/undo.ts';
import type { ProcessConfig } from './process-contract.ts';
import { type ServiceProcess, startService } from './service-process.ts';

const ATTEMPTS = 3;

export interface ServicesOptions {
  readonly spec: ProcessSpec;
  readonly instances: number;
  /** Its stores may be at addresses of its own. */
  readonly configOf: (name: string) => Omit<ProcessConfig, 'name' | 'params'>;
  readonly cores: string | null;
  readonly lease: Lease;
  readonly undo: Undo;
  readonly logFile: (name: string) => string;
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

/** A port of the operator's choice (`platform serve --port`), which is kept or refused. */
const wishedPort = ({ params }: ProcessSpec): number | null =>
  typeof params?.port === 'number' && params.port > 0 ? params.port : null;

async function choosePorts(options: ServicesOptions): Promise<Map<string, number>> {
  const names = instanceNames(options.spec.name, options.instances);
  const wished = wishedPort(options.spec);
  const ports = new Set<number>();
  if (wished !== null && names.length === 1) ports.add(wished);
  while (ports.size < names.length) ports.add(await freePort());
  return new Map([...ports].map((port, index) => [names[index]!, port]));
}

function isPortTaken(error: unknown): boolean {
  if (!(error instanceof ChildFailure)) return false;
  return error.notice.lastLines.some((line) => line.includes('EADDRINUSE'));
}

/** Starts all of them, or none. */
export async function startServices(options: ServicesOptions): Promise<Instance[]> {
  const attempts = wishedPort(options.spec) === null ? ATTEMPTS : 1;
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
  options: ServicesOptions,
): Promise<Instance[]> {
  const failed = new AbortController();
  const pinLater = ports.size > 1 ? options.cores : null;
  const first = pinLater === null ? options : { ...options, cores: null };
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
  const starts = await Promise.allSettled(
    [...ports].map(async ([name, port]) => {
      try {
        return { name, server: await launch(name, port, first, signal) };
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
  const instances = started.map(({ name, server }) => {
    const process = new ControlledProcess({
      name,
      running: server,
      launch: (stopped) => relaunch(name, server.url, options, stopped),
      onDeath: options.onDeath,
    });
    return { process, url: server.url };
  });
  options.undo.addServers(
    options.spec.name,
    instances.map(({ process, url }) => ({ port: portOf(url), stop: () => process.stop() })),
  );
  return instances;
}

const portOf = (url: string): number => Number(new URL(url).port);

function launch(
  name: string,
  port: number,
  options: ServicesOptions,
  signal: AbortSignal,
): Promise<ServiceProcess> {
  const { spec, configOf, cores, lease, logFile } = options;
  return startService({
    spec: { ...spec, name, params: { ...spec.params, port, instance: name } },
    config: configOf(name),
    cores,
    lease,
    logFile: logFile(name),
    signal,
  });
}

async function relaunch(
  name: string,
  url: string,
  options: ServicesOptions,
  signal: AbortSignal,
): Promise<ServiceProcess> {
  const start = (port: number) => launch(name, port, options, signal);
  const server = await onFreePort(start, isPortTaken, async () => portOf(url));
  if (server.url === url) return server;
  await server.stop();
  throw new Error(`${name} came back at ${server.url} instead of ${url}: it ignores params.port`);
}
