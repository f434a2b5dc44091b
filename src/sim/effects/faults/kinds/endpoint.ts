/** Changes the behaviour of a receiver's endpoints; undo restores the declared behaviour. */
import { durationText } from '../../../pure/quantity-text.ts';
import { suggestion } from '../../../suggestion.ts';
import type { EndpointBehaviour, NodeOf, Topology } from '../../../topology.ts';
import { describeBehaviour as behaviourName } from '../../testbed/receiver/endpoint-behaviours.ts';
import { capableNodeProblems } from '../capable-node.ts';
import { describeTargets, type FaultKind } from '../fault.ts';

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
  describe: (specs) =>
    `${describeEndpointNames(specs[0].endpoints)} of ${describeTargets(specs)} ${describeBehaviour(specs[0].behaviour)}`,
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
    const readBehaviours = () => Promise.all(endpoints.map((name) => found.behaviourOf(name)));
    let before: readonly string[] | null = null;
    let isApplied = false;
    return {
      async apply() {
        before ??= await readBehaviours();
        isApplied = true;
        await found.set(endpoints, { ...behaviour });
        return `${describeEndpointNames(endpoints)} of ${target} ${describeBehaviour(behaviour)}`;
      },
      async measure() {
        const current = await readBehaviours();
        const changed = current.filter((name) => name === behaviourName(behaviour)).length;
        const what = `endpoints of ${target} that are ${behaviourName(behaviour)}`;
        return [{ what, value: changed, atLeast: endpoints.length }];
      },
      async undo() {
        if (!isApplied) return;
        await found.reset(endpoints);
        isApplied = false;
      },
      async probe() {
        const expected = before;
        const current = expected === null ? [] : await readBehaviours();
        const changed = endpoints.filter((_, index) => current[index] !== expected?.[index]);
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
      const guess = suggestion(name, known);
      const meant = guess === null ? '' : `; did you mean ${guess}?`;
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

function describeEndpointNames(names: readonly string[]): string {
  return `${names.length === 1 ? 'endpoint' : 'endpoints'} ${names.join(', ')}`;
}

function describeBehaviour(behaviour: EndpointBehaviour): string {
  switch (behaviour.kind) {
    case 'healthy':
      return 'answering 200';
    case 'slow':
      return `answering after ${durationText(behaviour.delayMs)}`;
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
