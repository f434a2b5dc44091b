/**
 * What must be seen of a rule on an edge while it holds, route by route. A cut forwards nothing, on connections that
 * were open as on new ones. A delay is in every piece, in both directions; a rate is kept over the whole time.
 */
import type { FaultEvidence } from '../../../history.ts';
import type { DirectionTraffic, ProxyDecision, RouteTraffic } from '../proxy/protocol.ts';
import { type LinkRule, pieceBytesAt } from '../proxy/rule.ts';
import type { Direction } from '../proxy/rule-traffic.ts';

/** Timers fire up to a millisecond early, and the piece may have been read a moment before it was stamped. */
const EARLY_MS = 2;
/** Standard errors by which a mean of drawn delays may be below the stated one. */
const DEVIATIONS = 4;
const DIRECTIONS: Readonly<Record<Direction, string>> = {
  toServer: 'to the server',
  toClient: 'to the client',
};

/** By the route's name; null: the rule was never in force on it. */
export type Traffic = Readonly<Record<string, RouteTraffic | null>>;

export function linkEvidence(
  rule: LinkRule,
  traffic: Traffic,
  decisions: readonly ProxyDecision[],
): FaultEvidence[] {
  const routes = Object.entries(traffic);
  const each = (of: (name: string, route: RouteTraffic) => FaultEvidence[]) =>
    routes.flatMap(([name, route]) =>
      route === null ? [{ what: `rule in force on ${name}`, value: null }] : of(name, route),
    );
  switch (rule.kind) {
    case 'blackhole':
    case 'half-open':
      return each(forwardedNothing);
    case 'reset':
      return [
        ...each(forwardedNothing),
        ...each((name, { stillOpen }) => [
          { what: `connections left open on ${name}`, value: stillOpen, atMost: 0 },
        ]),
        {
          what: 'connections reset or refused',
          value: sum(routes, ({ closed, refused }) => closed + refused),
          atLeast: 1,
        },
      ];
    case 'latency':
      return [
        ...each((name, route) => delayEvidence(rule, name, route)),
        {
          what: 'pieces forwarded',
          value: sum(routes, ({ toServer, toClient }) => toServer.pieces + toClient.pieces),
          atLeast: 1,
        },
      ];
    case 'bandwidth':
      return each((name, route) =>
        bothDirections((direction) => rateEvidence(rule.bytesPerSecond, name, route, direction)),
      );
    case 'cut-reply':
      return [{ what: 'requests cut before their reply', value: decisions.length, atLeast: 1 }];
    case 'fail-request':
      return decisions.length === 0
        ? [{ what: 'requests answered with an error', value: 0, atLeast: 1 }]
        : decisions.map((decision) => requestEvidence(rule.k, decision));
    default:
      return rule satisfies never;
  }
}

function forwardedNothing(name: string, { toServer, toClient }: RouteTraffic): FaultEvidence[] {
  return [
    { what: `bytes forwarded by ${name}`, value: toServer.bytes + toClient.bytes, atMost: 0 },
  ];
}

/** Each direction takes half of the round trip's delay. A direction without bytes shows nothing. */
function delayEvidence(
  { meanMs, jitterMs }: LinkRule & { kind: 'latency' },
  name: string,
  route: RouteTraffic,
): FaultEvidence[] {
  return bothDirections((direction) => {
    const { pieces, delaySumMs, leastDelayMs } = route[direction];
    if (leastDelayMs === null) return [];
    // The standard deviation of a uniform draw from an interval of this length, over the number of draws.
    const deviationMs = jitterMs / Math.sqrt(12 * pieces);
    return [
      {
        what: `least delay added by ${name} ${DIRECTIONS[direction]}, ms`,
        value: leastDelayMs,
        atLeast: Math.max(0, (meanMs - jitterMs) / 2 - EARLY_MS),
      },
      {
        what: `mean delay added by ${name} ${DIRECTIONS[direction]}, ms`,
        value: delaySumMs / pieces,
        atLeast: Math.max(0, meanMs / 2 - DEVIATIONS * deviationMs - EARLY_MS),
      },
    ];
  });
}

/** All connections of a route share the rate of a direction; a piece may be forwarded just before it is due. */
function rateEvidence(
  bytesPerSecond: number,
  name: string,
  route: RouteTraffic,
  direction: Direction,
): FaultEvidence[] {
  const { pieceBytes }: DirectionTraffic = route[direction];
  const allowed = (bytesPerSecond * (route.heldMs + EARLY_MS)) / 1_000;
  return [
    {
      what: `bytes forwarded by ${name} ${DIRECTIONS[direction]}`,
      value: pieceBytes,
      atMost: Math.ceil(allowed + pieceBytesAt(bytesPerSecond)),
    },
  ];
}

/** `gateway.1->redis request 3: GET`, as the proxy decided. */
function requestEvidence(k: number, { detail = '' }: ProxyDecision): FaultEvidence {
  const found = / request (\d+):/.exec(detail);
  return {
    what: 'number of the request that was answered with an error',
    value: found === null ? null : Number(found[1]),
    atLeast: k,
    atMost: k,
  };
}

function bothDirections(of: (direction: Direction) => FaultEvidence[]): FaultEvidence[] {
  return [...of('toServer'), ...of('toClient')];
}

function sum(
  routes: readonly (readonly [string, RouteTraffic | null])[],
  of: (route: RouteTraffic) => number,
): number {
  return routes.reduce((total, [, route]) => total + (route === null ? 0 : of(route)), 0);
}
