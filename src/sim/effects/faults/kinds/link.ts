/**
 * A rule on an edge, applied by the fault proxy. A cut edge has taken effect when a round trip does not pass; a rule about
 * single requests, when the proxy has applied it to the first request.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { edgeName, resolveEdgeTarget, targetProblems } from '../../../plan/fault-target.ts';
import { bytesText, durationText } from '../../../pure/quantity-text.ts';
import { CLIENT, type EdgeOf, type Topology } from '../../../topology.ts';
import type { Edges } from '../../testbed/edges.ts';
import type { Fault, FaultKind } from '../fault.ts';
import { type LinkRule, ruleProblem } from '../proxy/rule.ts';
import { linkEvidence } from './link-evidence.ts';

export interface LinkSpec<Target extends string = string> {
  readonly kind: 'link';
  /** An edge that goes through the proxy: `gateway->redis`; of one process: `gateway.2->redis`, `client->gateway.2`. */
  readonly target: EdgeOf<Target>;
  readonly rule: LinkRule;
}

/** How long a cut edge must stay silent; a round trip on loopback takes less than a millisecond. */
const SILENCE_MS = 400;
const DECISION_INTERVAL_MS = 5;

const CUTS: readonly LinkRule['kind'][] = ['blackhole', 'reset', 'half-open'];
const PER_REQUEST: readonly LinkRule['kind'][] = ['cut-reply', 'fail-request'];

export const linkFault: FaultKind<LinkSpec> = {
  kind: 'link',
  describe: (specs) => `${describeRule(specs[0].rule)} ${describeConnections(specs)}`,
  problems: ({ target, rule }, topology) => [
    ...targetProblems(
      () => resolveEdgeTarget(target, topology),
      ({ edge }) => (edge.proxied === true ? [] : [notProxied(edgeName(edge), topology)]),
    ),
    ...[ruleProblem(rule)].filter((problem) => problem !== null),
  ],
  create: ({ target, rule }, { edges }) => createLinkFault(target, rule, edges),
};

function createLinkFault(target: string, rule: LinkRule, edges: Edges): Fault {
  edges.assertProxied(target);
  let skipped = 0;
  // Only this rule's on this edge: another fault may act on other edges at the same time.
  const ruleDecisions = () => edges.decisionsOn(target).filter(({ name }) => name === rule.kind);
  const decisions = () => ruleDecisions().slice(skipped);
  let state: 'idle' | 'applied' | 'undone' = 'idle';
  // A partition must silence every route.
  const hasAnswer = async (): Promise<boolean> =>
    (await edges.countResponding(target, SILENCE_MS)) > 0;

  return {
    async apply() {
      state = 'applied';
      skipped = ruleDecisions().length;
      await edges.apply(target, rule);
      if (CUTS.includes(rule.kind) && (await hasAnswer()))
        throw new Error(`${target} still answers under ${rule.kind}`);
      if (PER_REQUEST.includes(rule.kind)) {
        while (decisions().length === 0) {
          if (state !== 'applied') throw new Error(`no request met ${rule.kind} on ${target}`);
          await sleep(DECISION_INTERVAL_MS);
        }
      }
      return `${rule.kind} on ${target}`;
    },
    measure: async () => linkEvidence(rule, await edges.measure(target), decisions()),
    async undo() {
      if (state !== 'applied') return;
      await edges.clear(target);
      state = 'undone';
    },
    probe: () => edges.probe(target),
    decisions,
  };
}

function notProxied(name: string, { edges }: Topology): string {
  const proxied = edges.filter((edge) => edge.proxied === true).map(edgeName);
  const known = proxied.length === 0 ? 'no edge does' : `these do: ${proxied.join(', ')}`;
  return `edge ${name} does not go through the proxy (proxied: true); ${known}`;
}

/** `between clients and gateway.2`. */
function describeConnections(specs: readonly LinkSpec[]): string {
  const pairs = specs.map(({ target }) => {
    const [source, destination] = target.split('->');
    return `between ${source === CLIENT ? 'clients' : source} and ${destination}`;
  });
  return [...new Set(pairs)].sort().join(' or ');
}

function describeRule(rule: LinkRule): string {
  switch (rule.kind) {
    case 'latency':
      return `${durationText(rule.meanMs)} more, give or take ${durationText(rule.jitterMs)},`;
    case 'bandwidth':
      return `at most ${bytesText(rule.bytesPerSecond)} a second`;
    case 'blackhole':
      return 'everything swallowed';
    case 'reset':
      return 'connections reset and refused';
    case 'half-open':
      return 'connections left half open';
    case 'cut-reply':
      return `connection cut before ${rule.every === 1 ? 'every reply' : `one reply in ${rule.every}`}`;
    case 'fail-request':
      return `request ${rule.k} answered with an error`;
    default:
      return rule satisfies never;
  }
}
