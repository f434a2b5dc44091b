/** Endpoints of a receiver behave in another way; undo brings back what they did before. */
import { lengthText } from '../../../pure/quantity-text.ts';
import { suggestion } from '../../../suggestion.ts';
import type { EndpointBehaviour, NodeOf, Topology } from '../../../topology.ts';
import { capableNodeProblems } from '../capable-node.ts';
import { type FaultKind, targetWords } from '../fault.ts';

export interface EndpointSpec<Target extends string = string> {
  readonly kind: 'endpoint';
  /** A receiver. */
  readonly target: NodeOf<Target>;
  /** Names of its endpoints. */
  readonly endpoints: readonly string[];
  readonly behaviour: EndpointBehaviour;
}

export const endpointFault: FaultKind<EndpointSpec> = {
  kind: 'endpoint',
  words: (alike) =>
    `${namesWords(alike[0].endpoints)} of ${targetWords(alike)} ${behaviourWords(alike[0].behaviour)}`,
  problems: ({ target, endpoints, behaviour }, topology) => [
    ...capableNodeProblems(target, topology, {
      needs: 'endpoints',
      isCapable: ({ kind }) => kind === 'receiver',
    }),
    ...endpointProblems(target, endpoints, topology),
    ...behaviourProblems(behaviour),
  ],
  create({ target, endpoints, behaviour }, targets) {
    const found = targets.node(target).capabilities.endpoints;
    if (found === undefined) throw new Error(`${target} has no endpoints`);
    const unknown = endpoints.filter((name) => !found.names.includes(name));
    if (unknown.length > 0) throw new Error(`${target} has no endpoint ${unknown.join(', ')}`);
    const now = () => Promise.all(endpoints.map((name) => found.behaviourOf(name)));
    let before: readonly string[] | null = null;
    let isApplied = false;
    return {
      async apply() {
        before ??= await now();
        isApplied = true;
        await found.set(endpoints, { ...behaviour });
        return `${namesWords(endpoints)} of ${target} ${behaviourWords(behaviour)}`;
      },
      async undo() {
        if (!isApplied) return;
        await found.reset(endpoints);
        isApplied = false;
      },
      async probe() {
        const wanted = before;
        const seen = wanted === null ? [] : await now();
        const changed = endpoints.filter((_, index) => seen[index] !== wanted?.[index]);
        return changed.length === 0 || `${changed.join(', ')} of ${target} did not change back`;
      },
      decisions: () => [],
    };
  },
};

function endpointProblems(
  target: string,
  names: readonly string[],
  { nodes }: Topology,
): readonly string[] {
  const spec = nodes[target];
  if (spec?.kind !== 'receiver') return [];
  if (names.length === 0) return [`no endpoint of ${target} is named`];
  const known = Object.keys(spec.endpoints);
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = suggestion(name, known);
      const meant = near === null ? '' : `; did you mean ${near}?`;
      return `${target} has no endpoint ${name}; known: ${known.join(', ')}${meant}`;
    });
}

function behaviourProblems(behaviour: EndpointBehaviour): readonly string[] {
  if (behaviour.kind === 'slow' && !(Number.isFinite(behaviour.delayMs) && behaviour.delayMs >= 0))
    return [`delayMs must be at least 0, got ${behaviour.delayMs}`];
  if (behaviour.kind !== 'status') return [];
  const { status } = behaviour;
  return Number.isInteger(status) && status >= 200 && status <= 599
    ? []
    : [`status must be between 200 and 599, got ${status}`];
}

function namesWords(names: readonly string[]): string {
  return `${names.length === 1 ? 'endpoint' : 'endpoints'} ${names.join(', ')}`;
}

function behaviourWords(behaviour: EndpointBehaviour): string {
  switch (behaviour.kind) {
    case 'healthy':
      return 'answering 200';
    case 'slow':
      return `answering after ${lengthText(behaviour.delayMs)}`;
    case 'hanging':
      return 'never answering';
    case 'status':
      return `answering ${behaviour.status}`;
    case 'closed':
      return 'resetting connections';
    default:
      return behaviour satisfies never;
  }
}
