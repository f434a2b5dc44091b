/**
 * The testbed as a graph: named nodes, each in a region, and edges along which one node reaches another. Plain data;
 * effects/testbed/nodes/ implements each kind of node.
 */

export type Params = Readonly<Record<string, unknown>>;

interface NodeBase {
  /** A label. Edges between regions go through the proxy with a round-trip time. Default `local`. */
  readonly region?: string;
}

/** Whether the operator's own server may replace this node; `no`: the reason why not, one clause for a note. */
export type Replaceable = true | { readonly no: string };

/** A Node module of the package run to its end, relative to dist/: `services/jobs/template.js`. */
export interface ModuleStep {
  readonly name: string;
  readonly module: string;
  readonly params?: Params;
}

export interface PostgresSpec extends NodeBase {
  readonly kind: 'postgres';
  /** postgresql.conf settings, for instance shared_buffers. */
  readonly settings?: Readonly<Record<string, string>>;
  /** One-shot steps that build the data; run once per machine into a reusable data directory. */
  readonly template?: readonly ModuleStep[];
  /** The node this one follows by streaming replication; its data is the primary's. */
  readonly standbyOf?: string;
  /** By DATABASE_URL. */
  readonly replaceable?: Replaceable;
}

export interface RedisSpec extends NodeBase {
  readonly kind: 'redis';
  /** redis.conf directives. */
  readonly settings?: Readonly<Record<string, string>>;
  /** `replica`: one primary and one replica. `cluster`: `masters` masters with one replica each. Default `single`. */
  readonly mode?: 'single' | 'replica' | 'cluster';
  /** Of a cluster, at least 3; default 3. */
  readonly masters?: number;
  /** By REDIS_URL. */
  readonly replaceable?: Replaceable;
}

/** How to detect that a process accepts requests. */
export type ReadySign =
  /** Over Node's IPC channel, as process-contract.ts has it. Modules only. */
  | { readonly message: true }
  /** Any answer below 500 to GET of this path on its port. */
  | { readonly http: string }
  /** A line of its output that contains this text. */
  | { readonly output: string }
  /** Its port accepts connections. */
  | { readonly tcp: true };

export type ProcessStart =
  | { readonly module: string }
  | {
      /** The program and its arguments; no shell. Finds its port in PORT, HOST=127.0.0.1, and each edge in a variable of its name. */
      readonly command: readonly [string, ...string[]];
      /** Default: the folder `platform` was called in. */
      readonly cwd?: string;
      readonly env?: Readonly<Record<string, string>>;
    };

export interface ProcessSpec extends NodeBase {
  readonly kind: 'process';
  readonly start: ProcessStart;
  /** Default `{ message: true }` for a module, `{ tcp: true }` for a command. */
  readonly ready?: ReadySign;
  /** Named `<node>.1`, `<node>.2`...; with 1 (the default) plain `<node>`. */
  readonly instances?: number;
  /** Of a module: passed through as ProcessConfig.params. */
  readonly params?: Params;
  /** From SIGTERM to SIGKILL; default 5,000. */
  readonly killAfterMs?: number;
  /** From the start to the ready sign; default 20,000. */
  readonly readyWithinMs?: number;
}

/** What an endpoint of a receiver does with a request. */
export type EndpointBehaviour =
  /** Answers 200 at once. */
  | { readonly kind: 'healthy' }
  /** Answers 200 after a delay. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Accepts and never answers. */
  | { readonly kind: 'hanging' }
  | { readonly kind: 'status'; readonly status: number }
  /** Resets the connection without an answer. */
  | { readonly kind: 'closed' };

/** One process that serves any number of programmable HTTP endpoints, each at `/<name>`, with a log of what arrived. */
export interface ReceiverSpec extends NodeBase {
  readonly kind: 'receiver';
  readonly endpoints: Readonly<Record<string, EndpointBehaviour>>;
}

/** Data of registered kinds; see NODE_KINDS. */
export interface OtherSpec extends NodeBase {
  readonly kind: `x-${string}`;
  readonly [option: string]: unknown;
}

export type NodeSpec = PostgresSpec | RedisSpec | ProcessSpec | ReceiverSpec | OtherSpec;

/** The load generator as the source of an edge: operations are sent to the edge's target. */
export const CLIENT = 'client';

export interface EdgeSpec<Node extends string = string> {
  readonly from: Node | typeof CLIENT;
  readonly to: Node;
  /** Name for the source process: a key of ProcessConfig.addresses, or a command's environment variable. Unused from the client. */
  readonly as?: string;
  /**
   * To a PostgreSQL of the run: the roles its source may log in as, the first in its address. The run creates them and
   * the template grants them rights. Default: the owner of the data.
   */
  readonly logins?: readonly string[];
  /** Goes through the fault proxy, so that a fault can be applied to it. */
  readonly proxied?: boolean;
  /** Latency added by the proxy, half in each direction; required between regions. */
  readonly roundTripMs?: number;
  readonly jitterMs?: number;
}

/** A one-shot process of the harness, outside the graph's faults. */
export interface JobSpec<Node extends string = string> extends ModuleStep {
  /** `accounts` creates the accounts of the load, before it; `facts` reads the platform's recorded facts, after it. Both write params.outFile. */
  readonly role: 'accounts' | 'facts';
  /** Ended after this long; default 120,000. */
  readonly limitMs?: number;
  /** Nodes by the name the job uses, as an edge's `as`. Never proxied. */
  readonly uses: Readonly<Record<string, Node>>;
}

export interface Topology<Node extends string = string> {
  readonly nodes: Readonly<Record<Node, NodeSpec>>;
  readonly edges: readonly EdgeSpec<NoInfer<Node>>[];
  readonly jobs: readonly JobSpec<NoInfer<Node>>[];
}

/** What a fault may name: a node, one process of a node, or an edge, of all processes or of one at either end. Known by the nodes alone: edges need not mention each of them. */
export type TargetOf<T extends Pick<Topology, 'nodes'>> = Target<Extract<keyof T['nodes'], string>>;
export type Target<Node extends string> = Place<Node> | `${Place<Node> | 'client'}->${Place<Node>}`;
type Place<Node extends string> = Node | `${Node}.${number}`;

/** Of some targets those that are nodes or processes; of any text, any text. */
export type NodeOf<Name extends string> = string extends Name
  ? string
  : Exclude<Name, `${string}->${string}`>;
/** Of some targets those that are edges; of any text, any text. */
export type EdgeOf<Name extends string> = string extends Name
  ? string
  : Extract<Name, `${string}->${string}`>;
