/** Processes under test: a Node module (process-contract.ts) or any program, in one or several instances. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { ProcessSpec } from '../../../topology.ts';
import { parseCoreList } from '../../process/pin-plan.ts';
import type { NodeContext, NodeKind, RunningNode } from '../node.ts';
import { READY_LIMIT_MS, startService } from '../service-process.ts';
import { MAX_LOG_BYTES, startCommand } from '../start/command.ts';
import {
  type Instance,
  type InstanceStart,
  instanceNames,
  requestedPort,
  startInstances,
} from '../start/instances.ts';
import { memberOf } from './member.ts';
import { processProblems } from './process-problems.ts';

const KILL_AFTER_MS = 5_000;

export const processKind: NodeKind<ProcessSpec> = {
  kind: 'process',
  problems: processProblems,
  members: (name, spec) => instanceNames(name, spec.instances ?? 1),
  describe(_name, { start, instances = 1 }) {
    const what = 'module' in start ? start.module : path.basename(start.command[0]);
    return instances === 1 ? `process ${what}` : `${instances} processes ${what}`;
  },
  async start(name, spec, context) {
    const launch = 'module' in spec.start ? launchModule : launchCommand;
    const instances = await startInstances({
      node: name,
      names: instanceNames(name, spec.instances ?? 1),
      requestedPort: requestedPort(spec.params),
      launch: (start) => launch(spec, start, context),
      ...killLimit(spec),
      cores: context.cores?.rest ?? null,
      undo: context.undo,
      signal: context.signal,
      onUnexpectedExit: context.onUnexpectedExit,
    });
    return runningNode(name, spec, instances, context);
  },
};

/** A module of the platform may drain without a limit; a user's program may ignore SIGTERM, so it is killed. */
function killLimit(spec: ProcessSpec): { killAfterMs?: number } {
  if (spec.killAfterMs !== undefined) return { killAfterMs: spec.killAfterMs };
  return 'command' in spec.start ? { killAfterMs: KILL_AFTER_MS } : {};
}

function launchModule(spec: ProcessSpec, start: InstanceStart, context: NodeContext) {
  const { name, port, cores, signal } = start;
  const { module } = spec.start as { module: string };
  return startService({
    spec: { name, module, params: { ...spec.params, port, instance: name } },
    config: {
      addresses: context.addressesOf(name),
      seed: context.seed,
      stateDirectory: context.stateDirectory,
    },
    ready: spec.ready,
    readyWithinMs: spec.readyWithinMs,
    killAfterMs: spec.killAfterMs,
    maxLogBytes: MAX_LOG_BYTES,
    cores,
    lease: context.lease,
    logFile: context.logFile(name),
    signal,
  });
}

function launchCommand(spec: ProcessSpec, start: InstanceStart, context: NodeContext) {
  const { ready = { tcp: true } } = spec;
  if (!('command' in spec.start) || 'message' in ready)
    throw new Error(`${start.name} was not checked before it was started`);
  return startCommand({
    ...start,
    start: spec.start,
    ready,
    addresses: context.addressesOf(start.name),
    env: context.env,
    killAfterMs: spec.killAfterMs ?? KILL_AFTER_MS,
    readyWithinMs: spec.readyWithinMs ?? READY_LIMIT_MS,
    lease: context.lease,
    logFile: context.logFile(start.name),
  });
}

/** A node of instances without capabilities; a kind may add some. */
export function runningNode(
  name: string,
  spec: { readonly kind: string; readonly region?: string },
  instances: readonly Instance[],
  context: NodeContext,
): RunningNode {
  const cores = context.cores?.rest ?? null;
  const urls = instances.map(({ url }) => url);
  return {
    name,
    kind: spec.kind,
    region: spec.region ?? 'local',
    version: null,
    members: instances.map(({ process, url }) => memberOf(process, url)),
    address: { url: urls[0]!, urls, namespace: '' },
    pids: () => instances.flatMap(({ process }) => process.pids()),
    cores: cores ?? 'any',
    coreCount: cores === null ? availableParallelism() : parseCoreList(cores).length,
    capabilities: {},
    readWork: async () => [],
  };
}
