/**
 * A key's limit is divided fairly: each agent gets its max-min share of it, which is what it requested while that is little,
 * and an equal amount for all that request more; unused units are lent, and invented agent names gain nothing. Judged only
 * where the limit was saturated: time is divided into windows from the first request on, and a window counts when more
 * units were requested than the limit has. A run in which no honest agent was refused shows no division, so it is unknown.
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import { jainIndex, maxMinShares } from './fairness.ts';

export interface AgentRequest {
  readonly requestId: string;
  readonly agent: string;
  /** `honest`: requests its share. `greedy`: far more. `invented`: under a name that was not enrolled. */
  readonly role: 'honest' | 'greedy' | 'invented';
  readonly atUs: number;
  readonly weight: number;
  readonly admitted: boolean;
  /** Repeats a request that was refused, so it requests nothing more. */
  readonly isRetry: boolean;
}

export interface FairShareInput {
  readonly requests: readonly AgentRequest[];
  readonly limit: number;
  readonly windowUs: number;
  readonly objectives: {
    /** Jain's index over what the honest agents got, each in parts of its max-min share. */
    readonly jain: number;
    /** The least that an honest agent got, in parts of its max-min share. */
    readonly least: number;
    /** Of the limit, in saturated windows. */
    readonly used: number;
    /** All invented names together, in even shares of the limit. */
    readonly invented: number;
  };
  readonly mustHaveSeen: {
    readonly honest: number;
    readonly saturatedWindows: number;
    /** Honest agents that were refused in a saturated window. */
    readonly contested: number;
  };
}

export function checkFairShare(input: FairShareInput): CheckResult {
  const { limit, windowUs, objectives, mustHaveSeen } = input;
  const windows = saturatedWindows(input);
  const inSaturated = windows.flat();
  const contested = new Set(
    inSaturated.flatMap(({ admitted, role, agent }) =>
      role === 'honest' && !admitted ? [agent] : [],
    ),
  ).size;
  const units = totalWeight(inSaturated.filter(({ admitted }) => admitted));
  const enrolled = new Set(
    input.requests.flatMap(({ role, agent }) => (role === 'invented' ? [] : agent)),
  );
  // One more than the enrolled agents: all requests without enrolment share one slot.
  const evenShare = limit / (enrolled.size + 1);
  const honest = partsOfShares(windows, { limit, evenShare });
  const shares = [...honest.values()];
  const invented = totalWeight(
    inSaturated.filter(({ admitted, role }) => admitted && role === 'invented'),
  );
  const seenInvented = inSaturated.some(({ role }) => role === 'invented');
  const measured = {
    jain: shares.length === 0 ? null : jainIndex(shares),
    least: shares.length === 0 ? null : Math.min(...shares),
    used: windows.length === 0 ? null : units / (windows.length * limit),
    invented:
      !seenInvented || windows.length === 0 ? null : invented / (windows.length * evenShare),
  };
  const missed = [
    ...(measured.jain !== null && measured.jain < objectives.jain ? ['jain'] : []),
    ...(measured.least !== null && measured.least < objectives.least ? ['least'] : []),
    ...(measured.used !== null && measured.used < objectives.used ? ['used'] : []),
    ...(measured.invented !== null && measured.invented > objectives.invented ? ['invented'] : []),
  ];
  const gap = coverageGap(
    { honest: honest.size, saturatedWindows: windows.length, contested },
    mustHaveSeen,
  );
  return {
    verdict: gap !== null ? 'unknown' : missed.length > 0 ? 'fail' : 'pass',
    checked: inSaturated.length,
    violations: missed.length,
    witness: missed.map((what) => witnessOf(what, measured, objectives, honest)),
    ...(gap === null ? {} : { reason: gap }),
    figures: [
      ratio('jain', "Jain's index of the honest agents, in parts of their share", measured.jain),
      ratio('least-share', 'least of its share that an honest agent got', measured.least),
      {
        id: 'contested',
        label: 'honest agents that were refused',
        value: contested,
        unit: 'count',
      },
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

/** Without enough of each, equal shares may be chance, and a violation too. */
function coverageGap(
  seen: FairShareInput['mustHaveSeen'],
  needed: FairShareInput['mustHaveSeen'],
): string | null {
  if (seen.honest < needed.honest)
    return `${seen.honest} honest agents asked, ${needed.honest} needed`;
  if (seen.saturatedWindows < needed.saturatedWindows)
    return `${seen.saturatedWindows} saturated windows, ${needed.saturatedWindows} needed`;
  if (seen.contested < needed.contested)
    return `${seen.contested} honest agents were refused, ${needed.contested} needed`;
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

/**
 * What each honest agent that asked got in the saturated windows, in parts of its max-min share. All invented names are
 * one demand, and get an even share of the limit at most.
 */
function partsOfShares(
  windows: readonly (readonly AgentRequest[])[],
  { limit, evenShare }: { limit: number; evenShare: number },
): ReadonlyMap<string, number> {
  const honest = new Map<string, { got: number; share: number }>();
  for (const window of windows) {
    const demands = new Map<string, number>();
    for (const { agent, role, weight, admitted, isRetry } of window) {
      if (role === 'honest' && !honest.has(agent)) honest.set(agent, { got: 0, share: 0 });
      const asker = role === 'invented' ? INVENTED : agent;
      if (!isRetry) demands.set(asker, (demands.get(asker) ?? 0) + weight);
      if (admitted && role === 'honest') honest.get(agent)!.got += weight;
    }
    const invented = demands.get(INVENTED);
    if (invented !== undefined) demands.set(INVENTED, Math.min(invented, evenShare));
    const shares = maxMinShares([...demands.values()], limit);
    for (const [index, agent] of [...demands.keys()].entries()) {
      const one = honest.get(agent);
      if (one) one.share += shares[index]!;
    }
  }
  return new Map(
    [...honest].flatMap(([agent, { got, share }]) => (share > 0 ? [[agent, got / share]] : [])),
  );
}

/** No agent has an empty name. */
const INVENTED = '';

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
    violation: {
      jain: 'unequal shares',
      least: 'less than its share',
      used: 'left unused',
      invented: 'a name gained',
    }[what],
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
