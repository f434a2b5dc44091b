/**
 * A shared limit is divided fairly: agents that ask for more than their part get the same, what one does not ask
 * for is lent, and a name made up for the occasion is no way to more. Judged only where it was saturated: time is
 * cut into windows from the first request on, and a window counts when more was asked for than the limit gives.
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import type { Figure, InvariantResult } from '../../sim/result.ts';
import { jainIndex } from './fairness.ts';

type Answer = Omit<InvariantResult, 'id' | 'statement'>;

export interface AgentRequest {
  readonly requestId: string;
  readonly agent: string;
  /** `honest`: asks for its part. `greedy`: for far more. `invented`: under a name nobody gave out. */
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
    /** All invented names together, in even parts of the limit. */
    readonly invented: number;
  };
  readonly mustHaveSeen: { readonly honest: number; readonly saturatedWindows: number };
}

export function checkFairShare(input: FairShareInput): Answer {
  const { limit, windowUs, objectives, mustHaveSeen } = input;
  const windows = saturatedWindows(input);
  const judged = windows.flat();
  const honest = unitsByAgent(judged, input.requests, 'honest');
  const shares = [...honest.values()];
  const units = sum(judged.filter(({ admitted }) => admitted));
  const enrolled = new Set(
    input.requests.flatMap((one) => (one.role === 'invented' ? [] : one.agent)),
  );
  // One place more: that of everybody who shows no enrolment.
  const evenPart = limit / (enrolled.size + 1);
  const invented = sum(judged.filter(({ admitted, role }) => admitted && role === 'invented'));
  const seenInvented = judged.some(({ role }) => role === 'invented');
  const found = {
    jain: shares.length === 0 ? null : jainIndex(shares),
    used: windows.length === 0 ? null : units / (windows.length * limit),
    invented: !seenInvented || windows.length === 0 ? null : invented / (windows.length * evenPart),
  };
  const broken = [
    ...(found.jain !== null && found.jain < objectives.jain ? ['jain'] : []),
    ...(found.used !== null && found.used < objectives.used ? ['used'] : []),
    ...(found.invented !== null && found.invented > objectives.invented ? ['invented'] : []),
  ];
  const gap = missing(honest.size, windows.length, mustHaveSeen);
  return {
    verdict: gap !== null ? 'unknown' : broken.length > 0 ? 'fail' : 'pass',
    checked: judged.length,
    violations: broken.length,
    witness: broken.map((what) => witnessOf(what, found, objectives, honest)),
    ...(gap === null ? {} : { reason: gap }),
    figures: [
      ratio('jain', "Jain's index of the honest agents", found.jain),
      ratio('key-used', 'of the limit used where saturated', found.used),
      {
        ...{ id: 'invented-gain', label: 'all invented names together, in even parts of the key' },
        ...{ value: found.invented, unit: 'times' },
      },
      {
        ...{ id: 'starvation', label: 'longest wait of an honest agent that asked', unit: 'us' },
        value: shares.length === 0 ? null : longestStarvationUs(input.requests, windowUs),
      },
    ],
  };
}

/** Without enough of both, equal shares may be an accident: here a miss proves as little as a hit. */
function missing(
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
  // The last one is cut short by the end of the load.
  const last = indexOf({ atUs: endUs } as AgentRequest);
  return [...groupBy(requests, indexOf)]
    .filter(([index, of]) => index < last && sum(of) >= limit)
    .map(([, of]) => of);
}

/** Every honest agent that ever asked has a part, also one that got nothing. */
function unitsByAgent(
  judged: readonly AgentRequest[],
  all: readonly AgentRequest[],
  role: AgentRequest['role'],
): Map<string, number> {
  const units = new Map<string, number>();
  for (const one of all) if (one.role === role) units.set(one.agent, 0);
  for (const { agent, role: is, admitted, weight } of judged)
    if (is === role && admitted) units.set(agent, units.get(agent)! + weight);
  return units;
}

/** From the first refusal after an admission to the next admission, or to the agent's last request. */
function longestStarvationUs(requests: readonly AgentRequest[], windowUs: number): number {
  let longest = 0;
  const honest = requests.filter(({ role }) => role === 'honest');
  for (const [, of] of groupBy(honest, ({ agent }) => agent)) {
    let since: number | null = null;
    let asked = 0;
    for (const { atUs, admitted } of of.toSorted((a, b) => a.atUs - b.atUs)) {
      // Who does not ask for a whole window does not starve.
      if (since !== null && atUs - asked > windowUs) since = null;
      asked = atUs;
      if (!admitted) since ??= atUs;
      if (since !== null) longest = Math.max(longest, atUs - since);
      if (admitted) since = null;
    }
  }
  return longest;
}

function witnessOf(
  what: string,
  found: Readonly<Record<string, number | null>>,
  objectives: Readonly<Record<string, number>>,
  honest: ReadonlyMap<string, number>,
): Record<string, unknown> {
  const sorted = [...honest].sort(([, a], [, b]) => a - b);
  return {
    violation: { jain: 'unequal shares', used: 'left unused', invented: 'a name gained' }[what],
    ...{ measured: found[what], objective: objectives[what] },
    ...{ least: sorted.slice(0, 3), most: sorted.slice(-3) },
  };
}

const sum = (requests: readonly AgentRequest[]): number =>
  requests.reduce((all, { weight }) => all + weight, 0);

const ratio = (id: string, label: string, value: number | null): Figure => ({
  ...{ id, label, value },
  unit: 'ratio',
});
