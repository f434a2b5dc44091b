/** The processes of the service under test: `gateway`, or `gateway.1`, `gateway.2`... */
import type { ProcessSpec } from '../../scenario.ts';
import type { DeathNotice } from '../process/child-process.ts';
import type { Lease } from '../process/lease.ts';
import type { Undo } from '../process/undo.ts';
import type { ProcessConfig } from './process-contract.ts';
import { startService } from './service-process.ts';
import { type Instance, instanceNames, startInstances, wishedPort } from './start/instances.ts';

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

/** Starts all of them, or none. */
export function startServices(options: ServicesOptions): Promise<Instance[]> {
  const { spec, configOf, lease, logFile } = options;
  return startInstances({
    node: spec.name,
    names: instanceNames(spec.name, options.instances),
    wishedPort: wishedPort(spec.params),
    launch: ({ name, port, cores, signal }) =>
      startService({
        spec: { ...spec, name, params: { ...spec.params, port, instance: name } },
        config: configOf(name),
        cores,
        lease,
        logFile: logFile(name),
        signal,
      }),
    cores: options.cores,
    undo: options.undo,
    signal: options.signal,
    onDeath: options.onDeath,
  });
}
