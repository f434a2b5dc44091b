/**
 * The behaviours of a receiver's endpoints. A behaviour is one entry: validation of its data, description, response. Used
 * by the receiver's process and by the run that controls it.
 */
import type { EndpointBehaviour } from '../../../topology.ts';

/** How a request is answered after its body has been read. */
export interface EndpointResponse {
  /** Null: no response. */
  readonly status: number | null;
  /** Delay before the response; null: for ever. */
  readonly delayMs: number | null;
  /** Resets the connection. */
  readonly reset: boolean;
}

interface Behaviour<Given extends EndpointBehaviour> {
  /** Keys beside `kind`. */
  readonly keys: readonly string[];
  problem(given: Readonly<Record<string, unknown>>): string | null;
  describe(given: Given): string;
  response(given: Given): EndpointResponse;
}

type Of<Kind extends EndpointBehaviour['kind']> = Extract<EndpointBehaviour, { kind: Kind }>;

const MAX_DELAY_MS = 3_600_000;
const inRange = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

const BEHAVIOURS: { readonly [Kind in EndpointBehaviour['kind']]: Behaviour<Of<Kind>> } = {
  healthy: {
    keys: [],
    problem: () => null,
    describe: () => 'healthy',
    response: () => ({ status: 200, delayMs: 0, reset: false }),
  },
  slow: {
    keys: ['delayMs'],
    problem: ({ delayMs }) =>
      inRange(delayMs, 0, MAX_DELAY_MS)
        ? null
        : `delayMs must be a whole number from 0 to ${MAX_DELAY_MS}, not ${delayMs}`,
    describe: ({ delayMs }) => `slow by ${delayMs} ms`,
    response: ({ delayMs }) => ({ status: 200, delayMs, reset: false }),
  },
  hanging: {
    keys: [],
    problem: () => null,
    describe: () => 'hanging',
    response: () => ({ status: null, delayMs: null, reset: false }),
  },
  status: {
    keys: ['status'],
    problem: ({ status }) =>
      inRange(status, 200, 599)
        ? null
        : `status must be a whole number from 200 to 599, not ${status}`,
    describe: ({ status }) => `status ${status}`,
    response: ({ status }) => ({ status, delayMs: 0, reset: false }),
  },
  closed: {
    keys: [],
    problem: () => null,
    describe: () => 'closed',
    response: () => ({ status: null, delayMs: 0, reset: true }),
  },
};

const find = (kind: unknown): Behaviour<EndpointBehaviour> | null =>
  typeof kind === 'string' && Object.hasOwn(BEHAVIOURS, kind)
    ? (BEHAVIOURS[kind as EndpointBehaviour['kind']] as Behaviour<EndpointBehaviour>)
    : null;

/** Null when it is valid. */
export function behaviourProblem(given: unknown): string | null {
  const data = (given ?? {}) as Readonly<Record<string, unknown>>;
  const behaviour = find(data.kind);
  if (behaviour === null)
    return `there is no behaviour ${JSON.stringify(data.kind)}; known: ${Object.keys(BEHAVIOURS).join(', ')}`;
  const other = Object.keys(data).find((key) => key !== 'kind' && !behaviour.keys.includes(key));
  if (other !== undefined) return `${data.kind} has no ${other}`;
  return behaviour.problem(data);
}

export const describeBehaviour = (given: EndpointBehaviour): string =>
  find(given.kind)!.describe(given);

export const responseOf = (given: EndpointBehaviour): EndpointResponse =>
  find(given.kind)!.response(given);
