/**
 * The two promises of a limit, at every level: organisation, user, key, address, login. No window of any subject holds
 * more units than its limit; and a refusal names levels that were full, and no others. A refused request takes nothing at
 * any level: if it does, a later refusal of that level is not due.
 *
 * The client knows what each request costs and whom it counts against, from the policy and not from the answer: so a
 * level that counts the wrong subject, or the wrong weight, is found.
 */

import type { CheckResult } from '../../sim/pure/judge/check-result.ts';
import { concludeCheck } from '../../sim/pure/judge/check-result.ts';
import type { Figure } from '../../sim/result.ts';
import { checkWindow, type LimitEvent, type WindowFindings } from './check-window.ts';
import { byPolicy, type LevelEvent } from './level-events.ts';

/** A refused request, the levels that refused it by its answer, and the levels it has. */
export interface LevelRefusal {
  readonly requestId: string;
  readonly refusedBy: readonly string[];
  readonly policies: readonly string[];
}

const WITNESS_LIMIT = 10;

/** `mustBind`: the policies that must have been full, or the verdict is unknown. */
export function levelsAreExact(
  events: readonly LevelEvent[],
  mustBind: readonly string[],
): CheckResult {
  const findings = findingsByPolicy(events);
  const all = [...findings.values()];
  const violations = all.reduce((sum, { overAdmitted }) => sum + overAdmitted, 0);
  return concludeCheck({
    checked: all.reduce((sum, { admitted }) => sum + admitted, 0),
    violations,
    witness: [...findings]
      .flatMap(([policy, { overWitness }]) => overWitness.map((one) => ({ policy, ...one })))
      .slice(0, WITNESS_LIMIT),
    figures: [
      {
        id: 'levels-worst',
        label: 'most admitted in one window of any level, of its limit',
        value: all.length === 0 ? null : Math.max(...all.map(({ maxRatio }) => maxRatio)),
        unit: 'times',
      },
      count('levels-over', 'units beyond the limit of a level', violations),
    ],
    gap: gapOf(findings, mustBind, ({ coverageGap }) => coverageGap),
  });
}

export function levelRefusalsAreDue(
  events: readonly LevelEvent[],
  refusals: readonly LevelRefusal[],
  mustBind: readonly string[],
): CheckResult {
  // A fair share may refuse one agent while units are left for the others.
  const findings = findingsByPolicy(events.filter(({ isShared }) => !isShared));
  const misnamed = refusals.flatMap(({ requestId, refusedBy, policies }) => {
    const strange = refusedBy.filter((policy) => !policies.includes(policy));
    if (refusedBy.length > 0 && strange.length === 0) return [];
    return [{ violation: 'refused by a level that it has not', requestId, refusedBy, policies }];
  });
  const early = [...findings].flatMap(([policy, { falseWitness }]) =>
    falseWitness.map((one) => ({ policy, ...one })),
  );
  const falseRefusals = [...findings.values()].reduce((sum, one) => sum + one.falseRefusals, 0);
  const violations = misnamed.length + falseRefusals;
  return concludeCheck({
    checked: refusals.length,
    violations,
    witness: [...misnamed, ...early].slice(0, WITNESS_LIMIT),
    figures: [
      count('level-refusals', 'requests refused by a level', refusals.length),
      count('level-refusals-early', 'of them refused although they fitted', violations),
    ],
    gap: gapOf(findings, mustBind, ({ refused }) => (refused === 0 ? 'it never refused' : null)),
  });
}

function findingsByPolicy(events: readonly LevelEvent[]): ReadonlyMap<string, WindowFindings> {
  return new Map(
    [...byPolicy(events)].map(([policy, ofPolicy]) => {
      const limits = new Map(ofPolicy.map(({ subject, limit }) => [subject, limit]));
      return [
        policy,
        checkWindow({
          events: ofPolicy.filter((event): event is LevelEvent & LimitEvent => !isSpared(event)),
          limitOf: (subject) => limits.get(subject)!,
          windowUs: ofPolicy[0]!.windowUs,
        }),
      ];
    }),
  );
}

const isSpared = ({ kind }: LevelEvent) => kind === 'spared';

function gapOf(
  findings: ReadonlyMap<string, WindowFindings>,
  mustBind: readonly string[],
  gapIn: (findings: WindowFindings) => string | null,
): string | null {
  for (const policy of mustBind) {
    const found = findings.get(policy);
    const gap = found === undefined ? 'nothing was counted' : gapIn(found);
    if (gap !== null) return `${policy}: ${gap}`;
  }
  return null;
}

const count = (id: string, label: string, value: number): Figure => ({
  id,
  label,
  value,
  unit: 'count',
});
