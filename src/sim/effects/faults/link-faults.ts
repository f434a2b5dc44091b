/**
 * Faults of links, made by the fault proxy. A link that is cut is seen to be cut by a round trip that does not
 * pass; a rule about single requests has taken effect when the proxy has made its first choice by it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultSpec, LinkRule } from '../../fault-plan.ts';
import type { Links } from '../testbed/links.ts';
import type { Fault } from './fault.ts';

export type LinkFaultSpec = Extract<FaultSpec, { kind: 'link' }>;

/** A round trip on loopback takes less than a millisecond. */
const SILENCE_MS = 400;
const DECISION_INTERVAL_MS = 5;

const CUTS: readonly LinkRule['kind'][] = ['blackhole', 'reset', 'half-open'];
const BY_REQUEST: readonly LinkRule['kind'][] = ['cut-reply', 'fail-request'];

export function createLinkFault(spec: LinkFaultSpec, links: Links | null): Fault {
  const { link, rule } = spec;
  const instance = spec.instance ?? null;
  if (links === null) throw new Error(`link ${link} is not declared in the scenario's testbed`);
  links.assertKnown(link, instance);
  // Only what this rule chose here: another fault may act on other links at the same time.
  const prefix = instance === null ? `${link}/` : `${link}/${instance} `;
  let skipped = 0;
  const decisions = () =>
    links
      .decisions()
      .slice(skipped)
      .filter(({ name, detail }) => name === rule.kind && detail?.startsWith(prefix));
  let state: 'idle' | 'applied' | 'undone' = 'idle';
  const where = `${link}${instance === null ? '' : ` of ${instance}`}`;
  // One route that still answers is no partition.
  const answers = async (): Promise<boolean> =>
    (await links.answering(link, instance, SILENCE_MS)) > 0;

  return {
    async apply() {
      state = 'applied';
      skipped = links.decisions().length;
      await links.apply(link, instance, rule);
      if (CUTS.includes(rule.kind) && (await answers()))
        throw new Error(`${where} still answers under ${rule.kind}`);
      if (BY_REQUEST.includes(rule.kind)) {
        while (decisions().length === 0) {
          if (state !== 'applied') throw new Error(`no request met ${rule.kind} on ${where}`);
          await sleep(DECISION_INTERVAL_MS);
        }
      }
      return `${rule.kind} on ${where}`;
    },
    async undo() {
      if (state !== 'applied') return;
      await links.clear(link, instance);
      state = 'undone';
    },
    probe: () => links.probe(link, instance),
    decisions,
  };
}
