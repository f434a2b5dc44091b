/**
 * Requests at one time: never more than the limit, and a slot that was released lets the next request in. A slot is held
 * from the decision until the response is sent, an instant the client does not know: it was held at least `heldUs`, and
 * may be until `freeUs`.
 *
 *   over the limit   more than N were admitted within the time that each certainly held its slot
 *   false refusal    a refusal while fewer than N may have held one: a slot was kept
 *
 * O(n log n) for each subject.
 */

import { groupBy } from '../../sim/pure/group-by.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import { countAtMost } from './fullest-window.ts';

export interface SlotRequest {
  readonly requestId: string;
  readonly subject: string;
  /** `possible`: it is not known whether it took a slot. */
  readonly kind: 'admitted' | 'refused' | 'possible';
  /** The decision, on the limiter's clock, was between these instants. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Its slot was certainly held this long; 0 when that is not known. */
  readonly heldUs: number;
  /** From then on its slot is certainly free. */
  readonly freeUs: number;
  /** As the answer says; null where it says nothing. */
  readonly remaining: number | null;
}

export interface SlotsInput {
  readonly requests: readonly SlotRequest[];
  readonly limit: number;
  /** With fewer refusals for lack of a slot, the verdict is unknown. */
  readonly mustHaveSeen: { readonly refused: number };
}

const WITNESS_LIMIT = 10;

export function checkSlots({ requests, limit, mustHaveSeen }: SlotsInput): CheckResult {
  const witness: Record<string, unknown>[] = [];
  const found = { over: 0, kept: 0, untrue: 0 };
  let refused = 0;
  let isReturned = false;
  const add = (kind: keyof typeof found, violation: string, record: object) => {
    found[kind] += 1;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, limit, ...record });
  };
  for (const [, ofSubject] of groupBy(requests, ({ subject }) => subject)) {
    const mayHold = holdersAt(ofSubject);
    let firstRefusedUs = Number.POSITIVE_INFINITY;
    for (const { request, certain, before } of certainHolders(ofSubject)) {
      if (request.kind === 'refused') {
        refused += 1;
        firstRefusedUs = Math.min(firstRefusedUs, request.toUs);
        const holders = mayHold(request);
        if (holders < limit) add('kept', 'refused although a slot was free', { holders, request });
        continue;
      }
      if (request.kind !== 'admitted') continue;
      if (request.fromUs > firstRefusedUs) isReturned = true;
      if (certain > limit) add('over', 'more at one time than the limit', { certain, request });
      const most = Math.max(0, limit - 1 - before);
      if (request.remaining !== null && request.remaining > most)
        add('untrue', 'more slots are left than can be', { most, request });
    }
  }
  return concludeCheck({
    checked: requests.length,
    violations: found.over + found.kept + found.untrue,
    witness,
    figures: [
      { id: 'slots-refused', label: 'refused for lack of a slot', value: refused, unit: 'count' },
      {
        id: 'slots-over',
        label: 'more at one time than the limit',
        value: found.over,
        unit: 'count',
      },
      {
        id: 'slots-kept',
        label: 'refused although a slot was free',
        value: found.kept,
        unit: 'count',
      },
    ],
    gap:
      refused < mustHaveSeen.refused
        ? `${refused} refused for lack of a slot, ${mustHaveSeen.refused} needed`
        : isReturned
          ? null
          : 'no request got a slot after one was refused',
  });
}

/** How many others may hold a slot at some instant at which the request may have been decided. */
function holdersAt(requests: readonly SlotRequest[]): (request: SlotRequest) => number {
  const holders = requests.filter(({ kind }) => kind !== 'refused');
  const sorted = (instant: (request: SlotRequest) => number) =>
    holders.map(instant).sort((a, b) => a - b);
  const starts = sorted(({ fromUs }) => fromUs);
  const ends = sorted(({ freeUs }) => freeUs);
  return ({ fromUs, toUs }) => countAtMost(starts, toUs) - countAtMost(ends, fromUs);
}

/**
 * In the order of their decisions. `certain`: how many hold a slot for certain once it was decided, itself included;
 * `before`: how many of them were decided earlier, because the order of decisions at one instant is not known.
 */
function* certainHolders(
  requests: readonly SlotRequest[],
): Generator<{ request: SlotRequest; certain: number; before: number }> {
  const decided = requests.toSorted((a, b) => a.toUs - b.toUs);
  let held: SlotRequest[] = [];
  for (const request of decided) {
    held = held.filter(({ toUs, heldUs }) => toUs + heldUs > request.toUs);
    const before = held.filter(({ toUs }) => toUs < request.fromUs).length;
    if (request.kind === 'admitted' && request.fromUs === request.toUs) held.push(request);
    yield { request, certain: held.length, before };
  }
}
