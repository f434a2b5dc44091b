/**
 * What a route did while a rule was in force on it: bytes forwarded in each direction, the delay added to them, and the
 * fate of its connections. Counted where bytes are forwarded and sockets close, not where the rule is decided, so that
 * it tells a rule that has no effect.
 */
import type { ProxyConnection } from './connection.ts';
import type { DirectionTraffic, RouteTraffic } from './protocol.ts';
import type { Delayed } from './shaped-stream.ts';

export type Direction = 'toServer' | 'toClient';

export class RuleTraffic {
  readonly #counts = { toServer: emptyDirection(), toClient: emptyDirection() };
  readonly #openAtStart = new Set<ProxyConnection>();
  #closed = 0;
  #refused = 0;
  #heldMs = 0;
  /** Null while another rule is in force on the route. */
  #sinceMs: number | null = null;

  begin(connections: Iterable<ProxyConnection>): void {
    this.#sinceMs = performance.now();
    for (const connection of connections) this.#openAtStart.add(connection);
  }

  end(): void {
    if (this.#sinceMs !== null) this.#heldMs += performance.now() - this.#sinceMs;
    this.#sinceMs = null;
  }

  /** `delayed`: null for bytes that were forwarded at once. */
  onForwarded(direction: Direction, bytes: number, delayed: Delayed | null): void {
    if (this.#sinceMs === null) return;
    const counts = this.#counts[direction];
    counts.bytes += bytes;
    // Bytes read before the rule was in force do not show its delay.
    if (delayed !== null && delayed.readAtMs < this.#sinceMs) return;
    const delayMs = delayed === null ? 0 : performance.now() - delayed.baseMs;
    counts.pieces += 1;
    counts.pieceBytes += bytes;
    counts.delaySumMs += delayMs;
    counts.leastDelayMs = Math.min(counts.leastDelayMs ?? delayMs, delayMs);
  }

  onRefused(): void {
    this.#refused += 1;
  }

  onClosed(connection: ProxyConnection): void {
    if (this.#openAtStart.delete(connection)) this.#closed += 1;
  }

  summary(route: string): RouteTraffic {
    const { toServer, toClient } = this.#counts;
    const runningMs = this.#sinceMs === null ? 0 : performance.now() - this.#sinceMs;
    return {
      route,
      heldMs: this.#heldMs + runningMs,
      closed: this.#closed,
      stillOpen: this.#openAtStart.size,
      refused: this.#refused,
      toServer: { ...toServer },
      toClient: { ...toClient },
    };
  }
}

type Counted = { -readonly [Name in keyof DirectionTraffic]: DirectionTraffic[Name] };

function emptyDirection(): Counted {
  return { bytes: 0, pieces: 0, pieceBytes: 0, delaySumMs: 0, leastDelayMs: null };
}
