/**
 * A key's limit is divided fairly: agents that request more than their share get equal amounts, unused units are lent,
 * and invented agent names gain nothing. Judged only where the limit was saturated: time is divided into windows from the
 * first request on, and a window counts when more units were requested than the limit has.
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import { jainIndex } from './fairness.ts';

export interface AgentRequest {
  readonly requestId: string;
  readonly agent: string;
  /** `honest`: requests its share. `greedy`: far more. `invented`: under a name that was not enrolled. */
  readonly role: 'honest' | 'greedy' | 'invented';
  readonly atUs: number;
  readonly weight: number;
  readonly admitted: boolean;
}

export interface FairShareInput {
  readonly requests: readonly AgentRequest[];
  readonly limit: number;
  readonly windowUs: number;
  readonly objectives: {
    /** Jain's index over the honest agents. */
    readonly jain: number;
    /** Of the limit, in saturated windows. */
    readonly used: number;
    /** All invented names together, in even shares of the limit. */
    readonly invented: number;
  };
  readonly mustHaveSeen: { readonly honest: number; readonly saturatedWindows: number };
}

export function checkFairShare(input: FairShareInput): CheckResult {
  const { limit, windowUs, objectives, mustHaveSeen } = input;
  const windows = saturatedWindows(input);
  const inSaturated = windows.flat();
  const honest = unitsByAgent(inSaturated, input.requests, 'honest');
  const shares = [...honest.values()];
  const units = totalWeight(inSaturated.filter(({ admitted }) => admitted));
  const enrolled = new Set(
    input.requests.flatMap(({ role, agent }) => (role === 'invented' ? [] : agent)),
  );
  // One more than the enrolled agents: all requests without enrolment share one slot.
  const evenShare = limit / (enrolled.size + 1);
  const invented = totalWeight(
    inSaturated.filter(({ admitted, role }) => admitted && role === 'invented'),
  );
  const seenInvented = inSaturated.some(({ role }) => role === 'invented');
  const measured = {
    jain: shares.length === 0 ? null : jainIndex(shares),
    used: windows.length === 0 ? null : units / (windows.length * limit),
    invented:
      !seenInvented || windows.length === 0 ? null : invented / (windows.length * evenShare),
  };
  const missed = [
    ...(measured.jain !== null && measured.jain < objectives.jain ? ['jain'] : []),
    ...(measured.used !== null && measured.used < objectives.used ? ['used'] : []),
    ...(measured.invented !== null && measured.invented > objectives.invented ? ['invented'] : []),
  ];
  const gap = coverageGap(honest.size, windows.length, mustHaveSeen);
  return {
    verdict: gap !== null ? 'unknown' : missed.length > 0 ? 'fail' : 'pass',
    checked: inSaturated.length,
    violations: missed.length,
    witness: missed.map((what) => witnessOf(what, measured, objectives, honest)),
    ...(gap === null ? {} : { reason: gap }),
    figures: [
      ratio('jain', "Jain's index of the honest agents", measured.jain),
      ratio('key-used', 'of the limit used where saturated', measured.used),
      {
        id: 'invented-gain',
        label: 'all invented names together, in even parts of the key',
        value: measured.invented,
        unit: 'times',
      },
      {
        id: 'starvation',
        label: 'longest wait of an honest agent that asked',
        unit: 'us',
        value: shares.length === 0 ? null : longestStarvationUs(input.requests, windowUs),
      },
    ],
  };
}

/** Without enough of both, equal shares may be chance, and a violation too. */
function coverageGap(
  honest: number,
  windows: number,
  needed: FairShareInput['mustHaveSeen'],
): string | null {
  if (honest < needed.honest) return `${honest} honest agents asked, ${needed.honest} needed`;
  if (windows < needed.saturatedWindows)
    return `${windows} saturated windows, ${needed.saturatedWindows} needed`;
  return null;
}

function saturatedWindows({ requests, limit, windowUs }: FairShareInput): AgentRequest[][] {
  if (requests.length === 0) return [];
  const startUs = requests.reduce((least, { atUs }) => Math.min(least, atUs), Infinity);
  const endUs = requests.reduce((most, { atUs }) => Math.max(most, atUs), 0);
  const indexOf = ({ atUs }: AgentRequest) => Math.floor((atUs - startUs) / windowUs);
  // The last window is incomplete.
  const last = indexOf({ atUs: endUs } as AgentRequest);
  return [...groupBy(requests, indexOf)]
    .filter(([index, requestsOf]) => index < last && totalWeight(requestsOf) >= limit)
    .map(([, requestsOf]) => requestsOf);
}

/** Includes every honest agent that sent a request, also one that was never admitted. */
function unitsByAgent(
  inSaturated: readonly AgentRequest[],
  all: readonly AgentRequest[],
  role: AgentRequest['role'],
): Map<string, number> {
  const units = new Map<string, number>();
  for (const request of all) if (request.role === role) units.set(request.agent, 0);
  for (const { agent, role: is, admitted, weight } of inSaturated)
    if (is === role && admitted) units.set(agent, units.get(agent)! + weight);
  return units;
}

/** From the first refusal after an admission to the next admission, or to the agent's last request. */
function longestStarvationUs(requests: readonly AgentRequest[], windowUs: number): number {
  let longest = 0;
  const honest = requests.filter(({ role }) => role === 'honest');
  for (const [, ofAgent] of groupBy(honest, ({ agent }) => agent)) {
    let sinceUs: number | null = null;
    let lastUs = 0;
    for (const { atUs, admitted } of ofAgent.toSorted((a, b) => a.atUs - b.atUs)) {
      // An agent that sends nothing for a whole window does not starve.
      if (sinceUs !== null && atUs - lastUs > windowUs) sinceUs = null;
      lastUs = atUs;
      if (!admitted) sinceUs ??= atUs;
      if (sinceUs !== null) longest = Math.max(longest, atUs - sinceUs);
      if (admitted) sinceUs = null;
    }
  }
  return longest;
}

function witnessOf(
  what: string,
  measured: Readonly<Record<string, number | null>>,
  objectives: Readonly<Record<string, number>>,
  honest: ReadonlyMap<string, number>,
): Record<string, unknown> {
  const sorted = [...honest].sort(([, a], [, b]) => a - b);
  return {
    violation: { jain: 'unequal shares', used: 'left unused', invented: 'a name gained' }[what],
    measured: measured[what],
    objective: objectives[what],
    least: sorted.slice(0, 3),
    most: sorted.slice(-3),
  };
}

const totalWeight = (requests: readonly AgentRequest[]): number =>
  requests.reduce((all, { weight }) => all + weight, 0);

const ratio = (id: string, label: string, value: number | null): Figure => ({
  id,
  label,
  value,
  unit: 'ratio',
});
