/**
 * Servers of which one is the primary and the others follow it. A failover swaps the roles and leaves the names
 * alone: `postgres` is afterwards a standby of the server that was its standby.
 */
import type { ControlledProcess } from '../../process/controlled-process.ts';
import type { Failover } from '../node.ts';
import { waitUntil } from './wait-until.ts';

const FOLLOW_LIMIT_MS = 20_000;

interface GroupServer {
  readonly name: string;
  readonly process: ControlledProcess;
}

/** What PostgreSQL and Redis do differently. */
export interface Replicating<Server extends GroupServer> {
  isPrimary(server: Server): Promise<boolean>;
  /** True, or why it does not receive the primary's changes. */
  isFollowing(replica: Server, primary: Server): Promise<true | string>;
  /** Resolves when it takes writes. */
  promote(successor: Server): Promise<void>;
  /** From its next start on. `gone`: its data may hold what the primary has never seen. */
  follow(server: Server, primary: Server, how: { readonly gone: boolean }): void;
  /** True while it runs on what it must give up to follow. */
  isStale(server: Server): boolean;
  /** Leads every edge there. */
  announce(promoted: Server): Promise<void>;
}

export class PrimaryGroup<Server extends GroupServer> {
  readonly #servers: Server[];
  readonly #how: Replicating<Server>;
  #current: Server;
  /** The primary that the edges lead to. */
  #announced: Server;

  constructor(primary: Server, how: Replicating<Server>) {
    this.#servers = [primary];
    this.#how = how;
    this.#current = primary;
    this.#announced = primary;
  }

  get current(): Server {
    return this.#current;
  }

  /** Resolves when the new replica follows. */
  async join(replica: Server, signal?: AbortSignal): Promise<void> {
    await this.#untilFollowing(replica, signal);
    this.#servers.push(replica);
  }

  /** True, or why this server is not what it should be: the primary, or one that follows it. */
  async isInRole(server: Server): Promise<true | string> {
    const { name } = server;
    if (server === this.#current) {
      const isAlone = this.#servers.length === 1;
      return isAlone || (await this.#how.isPrimary(server)) ? true : `${name} takes no writes`;
    }
    const answer = await this.#how.isFollowing(server, this.#current);
    return answer === true ? true : `${name} does not follow ${this.#current.name}: ${answer}`;
  }

  readonly failover: Failover = {
    apply: async () => {
      const ended = this.#current;
      const successor = this.#replicas().find((one) => !isDown(one));
      if (successor === undefined) throw new Error(`no replica of ${ended.name} is up`);
      const { pid } = ended.process;
      const from = performance.now();
      await ended.process.signal('SIGKILL');
      await this.#how.promote(successor);
      await this.#succeed(successor);
      const tookMs = Math.round(performance.now() - from);
      return `SIGKILL to ${ended.name}, process ${pid}; ${successor.name} promoted after ${tookMs} ms`;
    },
    undo: async () => {
      for (const one of this.#replicas()) {
        // A promotion that came too late for apply() has happened all the same.
        if (!isDown(one) && (await this.#how.isPrimary(one))) await this.#succeed(one);
      }
      await this.#announce();
      if (isDown(this.#current)) await this.#current.process.restart();
      await Promise.all(
        this.#replicas().map(async (replica) => {
          if (isDown(replica) || this.#how.isStale(replica)) await replica.process.restart();
          await this.#untilFollowing(replica);
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
    return this.#servers.filter((one) => one !== this.#current);
  }

  async #succeed(successor: Server): Promise<void> {
    const ended = this.#current;
    this.#current = successor;
    this.#how.follow(ended, successor, { gone: true });
    const rest = this.#replicas().filter((one) => one !== ended);
    for (const replica of rest) this.#how.follow(replica, successor, { gone: false });
    await this.#announce();
    await Promise.all(rest.map((replica) => replica.process.restart()));
  }

  async #announce(): Promise<void> {
    if (this.#announced === this.#current) return;
    const promoted = this.#current;
    await this.#how.announce(promoted);
    this.#announced = promoted;
  }

  async #untilFollowing(replica: Server, signal?: AbortSignal): Promise<void> {
    await waitUntil(
      `${replica.name} follows ${this.#current.name}`,
      () => this.#how.isFollowing(replica, this.#current),
      { limitMs: FOLLOW_LIMIT_MS, signal },
    );
  }
}

const isDown = ({ process }: GroupServer): boolean => process.pids().length === 0;
