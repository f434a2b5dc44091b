/**
 * A "newest first" view per user is right when each page read
 *   - shows only the reader's own items, newest first, none twice,
 *   - shows every action acknowledged at least `stalenessUs` before the read was sent, unless newer ones fill the page,
 *   - shows nothing that had not been sent when the read was answered.
 * O((actions + reads x page) log n). Operations of unknown outcome may appear and may be missing.
 * view-coverage.ts tells which stale pages, and which pages of another user, these reads would have shown.
 */
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';
import { measureViewCoverage } from './view-coverage.ts';
import type { Action, ViewItem, ViewRead } from './view-read.ts';

export type { ViewItem, ViewRead } from './view-read.ts';

const WITNESS_LIMIT = 10;

export interface RecentViewInput {
  readonly reads: Iterable<ViewRead>;
  readonly operations: Iterable<OperationRecord>;
  readonly facts: Iterable<FactRecord>;
  /** How old a page may be in this design. */
  readonly stalenessUs: number;
  /** A pass needs reads that would have shown a page of this age; default: any reads. */
  readonly seesAgeUs?: number;
}

export function checkRecentView(input: RecentViewInput): CheckResult {
  const operations = new Map<string, OperationRecord>();
  for (const operation of input.operations) operations.set(operation.requestId, operation);
  const acknowledged = acknowledgedByUser(operations, input.facts);

  const witness: Record<string, unknown>[] = [];
  const reads = [...input.reads];
  let violations = 0;
  for (const read of reads) {
    const problem =
      pageProblem(read) ??
      futureProblem(read, operations) ??
      missingProblem(read, acknowledged.get(read.operation.user) ?? [], input.stalenessUs);
    if (problem === undefined) continue;
    violations += 1;
    if (witness.length < WITNESS_LIMIT) {
      const { body: _, ...operation } = read.operation;
      witness.push({ violation: problem.violation, read: operation, item: problem.item });
    }
  }
  const { stalenessUs, seesAgeUs } = input;
  const { gap, figures } = measureViewCoverage({ reads, acknowledged, stalenessUs, seesAgeUs });
  return concludeCheck({ checked: reads.length, violations, witness, figures, gap });
}

interface Problem {
  readonly violation: string;
  readonly item: unknown;
}

function pageProblem({ operation, items }: ViewRead): Problem | undefined {
  const seen = new Set<string>();
  let previous: ViewItem | undefined;
  for (const item of items) {
    if (item.user !== operation.user) return { violation: 'an item of another user', item };
    if (seen.has(item.id)) return { violation: 'an item twice', item };
    if (previous !== undefined && isNewer(item, previous)) {
      return { violation: 'not newest first', item };
    }
    seen.add(item.id);
    previous = item;
  }
  return undefined;
}

function futureProblem(
  { operation, items }: ViewRead,
  operations: ReadonlyMap<string, OperationRecord>,
): Problem | undefined {
  for (const item of items) {
    const cause = operations.get(item.requestId);
    if (cause === undefined) continue;
    if (cause.sentUs < 0 || cause.sentUs > operation.doneUs) {
      return { violation: 'an item whose cause had not been sent', item };
    }
  }
  return undefined;
}

/** Acknowledged early enough, and newer than the oldest item shown (or the page is not full): must be there. */
function missingProblem(
  { operation, items, pageSize }: ViewRead,
  actions: readonly Action[],
  stalenessUs: number,
): Problem | undefined {
  const shown = new Set(items.map((item) => item.id));
  const oldest = items.length >= pageSize ? items.at(-1) : undefined;
  const newest = lastAcknowledged(actions, operation.sentUs - stalenessUs);
  // The order of acknowledgement differs from the order of occurrence only locally: four pages are ample.
  const last = Math.max(0, newest - 4 * pageSize);
  for (let index = newest; index >= last; index--) {
    const { fact, operation: cause } = actions[index]!;
    if (shown.has(fact.id)) continue;
    if (oldest === undefined || isNewer(fact, oldest)) {
      return {
        violation: 'an acknowledged action is missing',
        item: { requestId: cause.requestId, fact },
      };
    }
  }
  return undefined;
}

function acknowledgedByUser(
  operations: ReadonlyMap<string, OperationRecord>,
  facts: Iterable<FactRecord>,
): Map<string, Action[]> {
  const byUser = new Map<string, Action[]>();
  for (const fact of facts) {
    const operation = operations.get(fact.requestId);
    if (operation === undefined || operation.outcome !== 'ok') continue;
    const actions = byUser.get(operation.user);
    if (actions === undefined) byUser.set(operation.user, [{ operation, fact }]);
    else actions.push({ operation, fact });
  }
  for (const actions of byUser.values()) {
    actions.sort((a, b) => a.operation.doneUs - b.operation.doneUs);
  }
  return byUser;
}

/** Index of the last action acknowledged at or before `byUs`, -1 when there is none. */
function lastAcknowledged(actions: readonly Action[], byUs: number): number {
  let low = 0;
  let high = actions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (actions[middle]!.operation.doneUs <= byUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function isNewer(
  a: { occurredAtUs: number; id: string },
  b: { occurredAtUs: number; id: string },
): boolean {
  if (a.occurredAtUs !== b.occurredAtUs) return a.occurredAtUs > b.occurredAtUs;
  // Ids of one store are decimal integers: longer is larger, then by digits.
  return a.id.length !== b.id.length ? a.id.length > b.id.length : a.id > b.id;
}
