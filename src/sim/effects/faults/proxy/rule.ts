/**
 * An edge's rule with its choices made: which requests, which delays. Every choice comes from the generator of this
 * rule on this route and from nothing else, so the same seed and the same sequence of requests give the same list.
 */

import { below, createRandom, type Random } from '../../../pure/random.ts';

/** What an edge does while the fault is applied. All choices are drawn from the run's seed. */
export type LinkRule =
  | { readonly kind: 'latency'; readonly meanMs: number; readonly jitterMs: number }
  | { readonly kind: 'bandwidth'; readonly bytesPerSecond: number }
  /** Accepts and swallows everything, in both directions. Nothing is lost to the sender's view: it hangs. */
  | { readonly kind: 'blackhole' }
  /** Open connections are reset, new ones refused. */
  | { readonly kind: 'reset' }
  /** The server's side is closed, the client's stays open and silent. */
  | { readonly kind: 'half-open' }
  /** The request's bytes reach the server, then the connection is cut before the reply: the unknown outcome. */
  | { readonly kind: 'cut-reply'; readonly every: number }
  /** The k-th request (1 = the first after apply) is answered with a protocol error and not forwarded. */
  | { readonly kind: 'fail-request'; readonly k: number };

export type RequestFate = 'pass' | 'cut' | 'fail';

/** Delays one direction's bytes, of all connections of a route. */
export interface Shaper {
  /** Larger chunks go on in pieces of this size. */
  readonly pieceBytes: number;
  /** The earliest instant they may go on; the order of a connection's bytes is the line's affair. */
  untilMs(bytes: number, nowMs: number): number;
}

export interface ActiveRule {
  readonly rule: LinkRule;
  /** What was drawn for the rule as a whole, for the history; null when nothing was. */
  readonly drawn: string | null;
  readonly toServer: Shaper | null;
  readonly toClient: Shaper | null;
  /** Called once for each request that begins on the route, in order. */
  decide(): { fate: RequestFate; request: number };
}

const DELAYS_SHOWN = 5;
/** A slow edge's bytes go on in pieces of this much time. */
const PIECE_MS = 20;
const MIN_PIECE_BYTES = 256;

export function activate(rule: LinkRule, random: Random): ActiveRule {
  const judge = judgeOf(rule, random.fork('requests'));
  let request = 0;
  return {
    rule,
    drawn: drawnFor(rule, random),
    toServer: shaperOf(rule, random.fork('to-server')),
    toClient: shaperOf(rule, random.fork('to-client')),
    decide() {
      request += 1;
      return { fate: judge(request), request };
    },
  };
}

/** What is wrong with a rule's figures, in one clause; null when it can be applied. */
export function ruleProblem(rule: LinkRule): string | null {
  try {
    activate(rule, createRandom(0));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function judgeOf(rule: LinkRule, random: Random): (request: number) => RequestFate {
  if (rule.kind === 'cut-reply') {
    const every = atLeast(1, rule.every, 'every');
    const phase = below(random, every);
    return (request) => ((request - 1) % every === phase ? 'cut' : 'pass');
  }
  if (rule.kind === 'fail-request') {
    const k = atLeast(1, rule.k, 'k');
    return (request) => (request === k ? 'fail' : 'pass');
  }
  return () => 'pass';
}

function shaperOf(rule: LinkRule, random: Random): Shaper | null {
  if (rule.kind === 'latency') {
    const delayMs = delaysOf(rule, random);
    return {
      pieceBytes: Number.POSITIVE_INFINITY,
      untilMs: (_bytes, nowMs) => nowMs + delayMs(),
    };
  }
  if (rule.kind === 'bandwidth') {
    const bytesPerMs = atLeast(1, rule.bytesPerSecond, 'bytesPerSecond') / 1_000;
    let freeAtMs = 0;
    return {
      pieceBytes: Math.max(MIN_PIECE_BYTES, Math.floor(bytesPerMs * PIECE_MS)),
      untilMs(bytes, nowMs) {
        freeAtMs = Math.max(freeAtMs, nowMs) + bytes / bytesPerMs;
        return freeAtMs;
      },
    };
  }
  return null;
}

/** The rule's figures are for a round trip: each way takes its half, drawn for itself. */
function delaysOf(rule: LinkRule & { kind: 'latency' }, random: Random): () => number {
  const meanMs = atLeast(0, rule.meanMs, 'meanMs');
  const jitterMs = atLeast(0, rule.jitterMs, 'jitterMs');
  return () => Math.max(0, meanMs + (2 * random.next() - 1) * jitterMs) / 2;
}

function drawnFor(rule: LinkRule, random: Random): string | null {
  if (rule.kind !== 'latency') return null;
  const ways = ['to-server', 'to-client'].map((way) => {
    const delayMs = delaysOf(rule, random.fork(way));
    const shown = Array.from({ length: DELAYS_SHOWN }, () => delayMs().toFixed(1));
    return `${way} ${shown.join(' ')}`;
  });
  return `delays in ms: ${ways.join(', ')} ...`;
}

function atLeast(least: number, value: number, name: string): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw new RangeError(`${name} must be at least ${least}, got ${value}`);
}
