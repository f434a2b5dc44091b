/**
 * A primary and its replicas. A failover swaps the roles and keeps the names: `postgres` is afterwards a standby of the
 * server that was its standby.
 */
import type { ControlledProcess } from '../../process/controlled-process.ts';
import type { Failover } from '../node.ts';
import { waitUntil } from './wait-until.ts';

const FOLLOW_LIMIT_MS = 20_000;

interface GroupServer {
  readonly name: string;
  readonly process: ControlledProcess;
}

/** The operations that differ between PostgreSQL and Redis. */
export interface ReplicationStrategy<Server extends GroupServer> {
  isPrimary(server: Server): Promise<boolean>;
  /** True, or the reason why it does not receive the primary's changes. */
  isFollowing(replica: Server, primary: Server): Promise<true | string>;
  /** Resolves when it takes writes. */
  promote(successor: Server): Promise<void>;
  /**
   * Makes `server` a replica of `primary` at its next start. `mayHaveDiverged`: it may hold changes that `primary`
   * lacks.
   */
  follow(server: Server, primary: Server, options: { readonly mayHaveDiverged: boolean }): void;
  /** True while it runs on data that it must discard before it can follow a primary. */
  isStale(server: Server): boolean;
  /** Points every edge at the new primary. */
  redirectEdges(promoted: Server): Promise<void>;
}

export class PrimaryGroup<Server extends GroupServer> {
  readonly #servers: Server[];
  readonly #strategy: ReplicationStrategy<Server>;
  #current: Server;
  /** The server that the edges point at; differs from `#current` while a failover is under way. */
  #edgesPrimary: Server;

  constructor(primary: Server, strategy: ReplicationStrategy<Server>) {
    this.#servers = [primary];
    this.#strategy = strategy;
    this.#current = primary;
    this.#edgesPrimary = primary;
  }

  get current(): Server {
    return this.#current;
  }

  /** Resolves when the new replica follows. */
  async join(replica: Server, signal?: AbortSignal): Promise<void> {
    await this.#waitUntilFollowing(replica, signal);
    this.#servers.push(replica);
  }

  /** True, or why this server does not have its role: the primary, or a replica that follows it. */
  async isInRole(server: Server): Promise<true | string> {
    const { name } = server;
    if (server === this.#current) {
      const isAlone = this.#servers.length === 1;
      return isAlone || (await this.#strategy.isPrimary(server)) ? true : `${name} takes no writes`;
    }
    const answer = await this.#strategy.isFollowing(server, this.#current);
    return answer === true ? true : `${name} does not follow ${this.#current.name}: ${answer}`;
  }

  readonly failover: Failover = {
    apply: async () => {
      const killed = this.#current;
      const successor = this.#replicas().find((replica) => !isDown(replica));
      if (successor === undefined) throw new Error(`no replica of ${killed.name} is up`);
      const { pid } = killed.process;
      const startedAt = performance.now();
      await killed.process.signal('SIGKILL');
      await this.#strategy.promote(successor);
      await this.#switchPrimary(successor);
      const tookMs = Math.round(performance.now() - startedAt);
      return `SIGKILL to ${killed.name}, process ${pid}; ${successor.name} promoted after ${tookMs} ms`;
    },
    undo: async () => {
      for (const replica of this.#replicas()) {
        // A promotion may have completed after apply() had timed out.
        if (!isDown(replica) && (await this.#strategy.isPrimary(replica)))
          await this.#switchPrimary(replica);
      }
      await this.#redirectEdges();
      if (isDown(this.#current)) await this.#current.process.restart();
      await Promise.all(
        this.#replicas().map(async (replica) => {
          if (isDown(replica) || this.#strategy.isStale(replica)) await replica.process.restart();
          await this.#waitUntilFollowing(replica);
        }),
      );
    },
    probe: async () => {
      for (const server of this.#servers) {
        const isUp = await server.process.probe();
        if (isUp !== true) return isUp;
        const isInRole = await this.isInRole(server).catch((error: Error) => error.message);
        if (isInRole !== true) return isInRole;
      }
      return true;
    },
  };

  #replicas(): Server[] {
    return this.#servers.filter((server) => server !== this.#current);
  }

  async #switchPrimary(successor: Server): Promise<void> {
    const oldPrimary = this.#current;
    this.#current = successor;
    this.#strategy.follow(oldPrimary, successor, { mayHaveDiverged: true });
    const otherReplicas = this.#replicas().filter((replica) => replica !== oldPrimary);
    for (const replica of otherReplicas)
      this.#strategy.follow(replica, successor, { mayHaveDiverged: false });
    await this.#redirectEdges();
    await Promise.all(otherReplicas.map((replica) => replica.process.restart()));
  }

  async #redirectEdges(): Promise<void> {
    if (this.#edgesPrimary === this.#current) return;
    const promoted = this.#current;
    await this.#strategy.redirectEdges(promoted);
    this.#edgesPrimary = promoted;
  }

  async #waitUntilFollowing(replica: Server, signal?: AbortSignal): Promise<void> {
    await waitUntil(
      `${replica.name} follows ${this.#current.name}`,
      () => this.#strategy.isFollowing(replica, this.#current),
      { limitMs: FOLLOW_LIMIT_MS, signal },
    );
  }
}

const isDown = ({ process }: GroupServer): boolean => process.pids().length === 0;
