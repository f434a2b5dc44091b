/** A receiver: one process with any number of programmable HTTP endpoints, and a log of what arrived. */
import type { EndpointBehaviour, ReceiverSpec } from '../../../topology.ts';
import { settlesWithin } from '../../process/with-timeout.ts';
import type { Endpoints, NodeContext, NodeKind } from '../node.ts';
import { behaviourProblem, describeBehaviour } from '../receiver/endpoint-behaviours.ts';
import {
  type BehavioursApplied,
  HEALTH_PATH,
  type ReceiverParams,
  type SetBehaviours,
} from '../receiver/receiver-protocol.ts';
import { type ServiceProcess, startService } from '../service-process.ts';
import { MAX_LOG_BYTES } from '../start/command.ts';
import { type InstanceStart, startInstances } from '../start/instances.ts';
import { getStatus } from '../start/readiness-probe.ts';
import { nameProblems } from './names.ts';
import { runningNode } from './process.ts';

const SET_LIMIT_MS = 5_000;
const ENDPOINT_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

export const receiverKind: NodeKind<ReceiverSpec> = {
  kind: 'receiver',
  problems: (name, { endpoints }) => [...nameProblems(name), ...endpointProblems(endpoints)],
  members: (name) => [name],
  describe(_name, { endpoints }) {
    const count = Object.keys(endpoints).length;
    return `receiver with ${count} ${count === 1 ? 'endpoint' : 'endpoints'}`;
  },
  async start(name, spec, context) {
    const endpoints = new ReceiverEndpoints(name, spec);
    const arrivals = context.logFile(`${name}-arrivals`);
    const instances = await startInstances({
      node: name,
      names: [name],
      requestedPort: null,
      launch: async (start) => {
        const server = await launch(start, endpoints.current(), arrivals, context);
        endpoints.attach(server);
        return server;
      },
      cores: context.cores?.rest ?? null,
      undo: context.undo,
      signal: context.signal,
      onUnexpectedExit: context.onUnexpectedExit,
    });
    const node = runningNode(name, spec, instances, context);
    return { ...node, capabilities: { endpoints }, logFile: arrivals };
  },
};

function endpointProblems(endpoints: ReceiverSpec['endpoints'] | undefined): string[] {
  const entries = Object.entries(endpoints ?? {});
  if (entries.length === 0) return ['endpoints must name at least one'];
  return entries.flatMap(([name, behaviour]) => {
    if (!ENDPOINT_NAME.test(name))
      return [
        `endpoint ${JSON.stringify(name)} must consist of letters, digits, dots, underscores and hyphens and begin with one of the first two`,
      ];
    const problem = behaviourProblem(behaviour);
    return problem === null ? [] : [`endpoint ${name}: ${problem}`];
  });
}

async function launch(
  { name, port, cores, signal }: InstanceStart,
  endpoints: ReceiverParams['endpoints'],
  arrivals: string,
  context: NodeContext,
): Promise<ServiceProcess> {
  const params: ReceiverParams = { port, endpoints, arrivals };
  const server = await startService({
    spec: {
      name,
      module: 'sim/effects/testbed/receiver/receiver-process.js',
      params: { ...params },
    },
    config: { addresses: {}, seed: context.seed, stateDirectory: '' },
    maxLogBytes: MAX_LOG_BYTES,
    cores,
    lease: context.lease,
    logFile: context.logFile(name),
    signal,
  });
  // Any other path would be logged as an arrival.
  const ping = async () => void (await getStatus(`${server.url}${HEALTH_PATH}`));
  return { ...server, ping };
}

/**
 * The current behaviours of the endpoints. They outlive the process: a restarted receiver gets the last behaviours, because
 * a crash of the process stands for no change of the endpoints.
 */
class ReceiverEndpoints implements Endpoints {
  readonly #name: string;
  readonly #declared: Readonly<Record<string, EndpointBehaviour>>;
  readonly #current: Map<string, EndpointBehaviour>;
  #server: ServiceProcess | null = null;
  #lastId = 0;

  constructor(name: string, spec: ReceiverSpec) {
    this.#name = name;
    this.#declared = spec.endpoints;
    this.#current = new Map(Object.entries(spec.endpoints));
  }

  get names(): readonly string[] {
    return [...this.#current.keys()];
  }

  current(): Readonly<Record<string, EndpointBehaviour>> {
    return Object.fromEntries(this.#current);
  }

  attach(server: ServiceProcess): void {
    this.#server = server;
  }

  /** Applies to new requests; hanging ones keep hanging. Throws RangeError for an unknown endpoint. */
  async set(names: readonly string[], behaviour: Readonly<Record<string, unknown>>): Promise<void> {
    const problem = behaviourProblem(behaviour);
    if (problem !== null) throw new RangeError(`${this.#name}: ${problem}`);
    const given = behaviour as unknown as EndpointBehaviour;
    await this.#apply(names, () => given);
  }

  async reset(names: readonly string[]): Promise<void> {
    await this.#apply(names, (name) => this.#declared[name]!);
  }

  async behaviourOf(name: string): Promise<string> {
    this.#assertKnown([name]);
    return describeBehaviour(this.#current.get(name)!);
  }

  #assertKnown(names: readonly string[]): void {
    const unknown = names.find((name) => !this.#current.has(name));
    if (unknown === undefined) return;
    throw new RangeError(
      `${this.#name} has no endpoint ${unknown}; known: ${this.names.join(', ')}`,
    );
  }

  async #apply(
    names: readonly string[],
    behaviourFor: (name: string) => EndpointBehaviour,
  ): Promise<void> {
    this.#assertKnown(names);
    const endpoints = Object.fromEntries(names.map((name) => [name, behaviourFor(name)]));
    const child = this.#server?.child;
    if (child === undefined || child.isExited()) throw new Error(`${this.#name} is not running`);
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise: applied, resolve } = withResolver();
    const onMessage = (message: unknown): void => {
      if ((message as BehavioursApplied).id === id) resolve();
    };
    const ended = child.exited.then(() => {
      throw new Error(`${this.#name} ended before it had changed its endpoints`);
    });
    child.process.on('message', onMessage);
    child.process.send({ type: 'set', id, endpoints } satisfies SetBehaviours);
    try {
      if (!(await settlesWithin(Promise.race([applied, ended]), SET_LIMIT_MS)))
        throw new Error(`${this.#name} did not change its endpoints in ${SET_LIMIT_MS} ms`);
    } finally {
      child.process.off('message', onMessage);
    }
    for (const [name, behaviour] of Object.entries(endpoints)) this.#current.set(name, behaviour);
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((given) => {
    resolve = given;
  });
  return { promise, resolve };
}
