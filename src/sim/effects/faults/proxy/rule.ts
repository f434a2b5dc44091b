/**
 * A rule on an edge and its seeded choices: which requests, which delays. Every choice is drawn from the generator of
 * this rule on this route only, so that the same seed and the same sequence of requests give the same choices.
 */
import { createRandom, type Random, randomBelow } from '../../../pure/random.ts';

/** What an edge does while the fault is applied. All choices are drawn from the run's seed. */
export type LinkRule =
  | { readonly kind: 'latency'; readonly meanMs: number; readonly jitterMs: number }
  | { readonly kind: 'bandwidth'; readonly bytesPerSecond: number }
  /** Connections are accepted, all bytes in both directions are discarded: both ends hang. */
  | { readonly kind: 'blackhole' }
  /** Open connections are reset, new ones refused. */
  | { readonly kind: 'reset' }
  /** The server's side is closed, the client's stays open and silent. */
  | { readonly kind: 'half-open' }
  /** The request reaches the server, then the connection is cut before the reply: an unknown outcome. */
  | { readonly kind: 'cut-reply'; readonly every: number }
  /** The k-th request (1 = the first after apply) is answered with a protocol error and not forwarded. */
  | { readonly kind: 'fail-request'; readonly k: number };

export type RequestAction = 'pass' | 'cut' | 'fail';

/** Delays the bytes of one direction, of all connections of a route. */
export interface Shaper {
  /** Larger chunks go on in pieces of this size. */
  readonly pieceBytes: number;
  /** The earliest instant they may be forwarded; ShapedStream keeps the order of a connection's bytes. */
  releaseAtMs(bytes: number, nowMs: number): number;
}

export interface ActiveRule {
  readonly rule: LinkRule;
  /** What was drawn for the rule as a whole, for the history; null when nothing was. */
  readonly drawn: string | null;
  readonly toServer: Shaper | null;
  readonly toClient: Shaper | null;
  /** Called once for each request that begins on the route, in order. */
  decide(): { action: RequestAction; requestNumber: number };
}

const DELAYS_SHOWN = 5;
/** A slow edge forwards pieces that take this long. */
const PIECE_MS = 20;
const MIN_PIECE_BYTES = 256;

export function activateRule(rule: LinkRule, random: Random): ActiveRule {
  const chooseAction = actionChooserOf(rule, random.fork('requests'));
  let requestNumber = 0;
  return {
    rule,
    drawn: describeDraws(rule, random),
    toServer: shaperOf(rule, random.fork('to-server')),
    toClient: shaperOf(rule, random.fork('to-client')),
    decide() {
      requestNumber += 1;
      return { action: chooseAction(requestNumber), requestNumber };
    },
  };
}

/** What is wrong with a rule's figures, in one clause; null when it can be applied. */
export function ruleProblem(rule: LinkRule): string | null {
  try {
    activateRule(rule, createRandom(0));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function actionChooserOf(rule: LinkRule, random: Random): (request: number) => RequestAction {
  if (rule.kind === 'cut-reply') {
    const every = atLeast(1, rule.every, 'every');
    const phase = randomBelow(random, every);
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
      releaseAtMs: (_bytes, nowMs) => nowMs + delayMs(),
    };
  }
  if (rule.kind === 'bandwidth') {
    const bytesPerMs = atLeast(1, rule.bytesPerSecond, 'bytesPerSecond') / 1_000;
    let freeAtMs = 0;
    return {
      pieceBytes: pieceBytesAt(rule.bytesPerSecond),
      releaseAtMs(bytes, nowMs) {
        freeAtMs = Math.max(freeAtMs, nowMs) + bytes / bytesPerMs;
        return freeAtMs;
      },
    };
  }
  return null;
}

/** The largest piece that an edge of this rate forwards at once. */
export function pieceBytesAt(bytesPerSecond: number): number {
  return Math.max(MIN_PIECE_BYTES, Math.floor((bytesPerSecond / 1_000) * PIECE_MS));
}

/** The rule's figures are for a round trip: each direction takes half, drawn separately. */
function delaysOf(rule: LinkRule & { kind: 'latency' }, random: Random): () => number {
  const meanMs = atLeast(0, rule.meanMs, 'meanMs');
  const jitterMs = atLeast(0, rule.jitterMs, 'jitterMs');
  return () => Math.max(0, meanMs + (2 * random.next() - 1) * jitterMs) / 2;
}

function describeDraws(rule: LinkRule, random: Random): string | null {
  if (rule.kind !== 'latency') return null;
  const directions = ['to-server', 'to-client'].map((direction) => {
    const delayMs = delaysOf(rule, random.fork(direction));
    const shown = Array.from({ length: DELAYS_SHOWN }, () => delayMs().toFixed(1));
    return `${direction} ${shown.join(' ')}`;
  });
  return `delays in ms: ${directions.join(', ')} ...`;
}

function atLeast(least: number, value: number, name: string): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw new RangeError(`${name} must be at least ${least}, got ${value}`);
}
