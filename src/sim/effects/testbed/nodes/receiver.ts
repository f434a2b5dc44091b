/** A receiver: one process with any number of programmable HTTP endpoints, and a log of what arrived. */
import type { EndpointBehaviour, ReceiverSpec } from '../../../topology.ts';
import { within } from '../../process/child-process.ts';
import type { Endpoints, NodeContext, NodeKind } from '../node.ts';
import {
  type BehavioursSet,
  HEALTH_PATH,
  type ReceiverParams,
  type SetBehaviours,
} from '../receiver-protocol.ts';
import { type ServiceProcess, startService } from '../service-process.ts';
import { MAX_LOG_BYTES } from '../start/command.ts';
import { type InstanceStart, startInstances } from '../start/instances.ts';
import { getStatus } from '../start/ready-sign.ts';
import { behaviourProblem, behaviourWords } from './endpoint-behaviours.ts';
import { nameProblems } from './names.ts';
import { runningNode } from './process.ts';

const SET_LIMIT_MS = 5_000;
const ENDPOINT_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

export const receiverKind: NodeKind<ReceiverSpec> = {
  kind: 'receiver',
  problems: (name, { endpoints }) => [...nameProblems(name), ...endpointProblems(endpoints)],
  members: (name) => [name],
  words(_name, { endpoints }) {
    const count = Object.keys(endpoints).length;
    return `receiver with ${count} ${count === 1 ? 'endpoint' : 'endpoints'}`;
  },
  async start(name, spec, context) {
    const endpoints = new ReceiverEndpoints(name, spec);
    const arrivals = context.logFile(`${name}-arrivals`);
    const instances = await startInstances({
      node: name,
      names: [name],
      wishedPort: null,
      launch: async (start) => {
        const server = await launch(start, endpoints.current(), arrivals, context);
        endpoints.attach(server);
        return server;
      },
      cores: context.cores?.rest ?? null,
      undo: context.undo,
      signal: context.signal,
      onDeath: context.onDeath,
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
    spec: { name, module: 'sim/effects/testbed/receiver-process.js', params: { ...params } },
    config: { addresses: {}, seed: context.seed, stateDirectory: '' },
    maxLogBytes: MAX_LOG_BYTES,
    cores,
    lease: context.lease,
    logFile: context.logFile(name),
    signal,
  });
  // A request for anything else would be an arrival.
  const answers = async () => void (await getStatus(`${server.url}${HEALTH_PATH}`));
  return { ...server, answers };
}

/**
 * The run's knowledge of what the endpoints do. It outlives the process: a restart brings the last behaviours back,
 * because a crash of a receiver does not change what its endpoints would do.
 */
class ReceiverEndpoints implements Endpoints {
  readonly #name: string;
  readonly #declared: Readonly<Record<string, EndpointBehaviour>>;
  readonly #now: Map<string, EndpointBehaviour>;
  #server: ServiceProcess | null = null;
  #lastId = 0;

  constructor(name: string, spec: ReceiverSpec) {
    this.#name = name;
    this.#declared = spec.endpoints;
    this.#now = new Map(Object.entries(spec.endpoints));
  }

  get names(): readonly string[] {
    return [...this.#now.keys()];
  }

  current(): Readonly<Record<string, EndpointBehaviour>> {
    return Object.fromEntries(this.#now);
  }

  attach(server: ServiceProcess): void {
    this.#server = server;
  }

  /** For requests that arrive from now on; what hangs already goes on hanging. Throws RangeError for an unknown one. */
  async set(names: readonly string[], behaviour: Readonly<Record<string, unknown>>): Promise<void> {
    const problem = behaviourProblem(behaviour);
    if (problem !== null) throw new RangeError(`${this.#name}: ${problem}`);
    const given = behaviour as unknown as EndpointBehaviour;
    await this.#order(names, () => given);
  }

  async reset(names: readonly string[]): Promise<void> {
    await this.#order(names, (name) => this.#declared[name]!);
  }

  async behaviourOf(name: string): Promise<string> {
    this.#assertKnown([name]);
    return behaviourWords(this.#now.get(name)!);
  }

  #assertKnown(names: readonly string[]): void {
    const unknown = names.find((name) => !this.#now.has(name));
    if (unknown === undefined) return;
    throw new RangeError(
      `${this.#name} has no endpoint ${unknown}; known: ${this.names.join(', ')}`,
    );
  }

  async #order(names: readonly string[], of: (name: string) => EndpointBehaviour): Promise<void> {
    this.#assertKnown(names);
    const endpoints = Object.fromEntries(names.map((name) => [name, of(name)]));
    const child = this.#server?.child;
    if (child === undefined || child.isExited()) throw new Error(`${this.#name} is not running`);
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise: inForce, resolve } = withResolver();
    const onMessage = (message: unknown): void => {
      if ((message as BehavioursSet).id === id) resolve();
    };
    const ended = child.exited.then(() => {
      throw new Error(`${this.#name} ended before it had changed its endpoints`);
    });
    child.process.on('message', onMessage);
    child.process.send({ type: 'set', id, endpoints } satisfies SetBehaviours);
    try {
      if (!(await within(Promise.race([inForce, ended]), SET_LIMIT_MS)))
        throw new Error(`${this.#name} did not change its endpoints in ${SET_LIMIT_MS} ms`);
    } finally {
      child.process.off('message', onMessage);
    }
    for (const [name, behaviour] of Object.entries(endpoints)) this.#now.set(name, behaviour);
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((given) => {
    resolve = given;
  });
  return { promise, resolve };
}
