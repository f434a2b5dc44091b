/**
 * Maps operations to what they took at every level of their limits. What an operation costs and whom it counts against is
 * declared by the scenario, from the policy; what was decided and what is left is what the answer says.
 */
import type { LevelEvent } from '../../checkers/limits/level-events.ts';
import type { HistoryRecord, OperationRecord } from '../../sim/history.ts';
import { groupBy } from '../../sim/pure/group-by.ts';
import { clockOffset, DECIDED_WITHIN_US } from './limit-events.ts';
import {
  type LimitEvidence,
  type LimitField,
  parseEvidence,
  parseLimitFields,
  UNAVAILABLE,
} from './limit-evidence.ts';

/** What one operation takes at one level. */
export interface LevelUse {
  readonly policy: string;
  /** What is counted, by any name that is unique in the policy. */
  readonly subject: string;
  readonly limit: number;
  readonly windowMs: number;
  readonly weight: number;
  /** Divided between the agents of a key. */
  readonly isShared?: boolean;
  /** Decided after the others, if they admitted it: the account of a login. */
  readonly isSecond?: boolean;
}

export interface LeveledOperations {
  /** Every level that counts the operation; null: the operation is not judged. */
  levelsOf(operation: OperationRecord): readonly LevelUse[] | null;
  /** Its units are given back with the answer, as those of a 503 always are. */
  isRefunded?(operation: OperationRecord): boolean;
  /** Further policies that may refuse it: of requests at one time. */
  otherPoliciesOf?(operation: OperationRecord): readonly string[];
}

/** Requests with evidence, and what bounds the instants of their decisions. */
export interface DecidedOperations {
  readonly requests: readonly {
    readonly operation: OperationRecord;
    readonly evidence: LimitEvidence | null;
  }[];
  /** From the client's clock to the limiter's. */
  readonly offset: { readonly minUs: number; readonly maxUs: number };
  /** Its process decided without the store meanwhile, so what it gave back may be lost. */
  mayHaveLostStore(operation: OperationRecord): boolean;
}

/** What is given back is sent right after the answer. */
const GIVEN_BACK_WITHIN_US = 500_000;

export function readDecisions(history: readonly HistoryRecord[]): DecidedOperations {
  const requests = history.flatMap((operation) =>
    operation.kind === 'op' && operation.sentUs >= 0
      ? [{ operation, evidence: parseEvidence(operation) }]
      : [],
  );
  const withoutStore = requests.filter(({ operation, evidence }) =>
    evidence === null ? operation.outcome === 'unknown' : evidence.mode !== 'store',
  );
  const timesOf = new Map(
    [...groupBy(withoutStore, ({ operation }) => operation.target ?? '')].map(([target, own]) => [
      target,
      own.map(({ operation }) => operation.doneUs),
    ]),
  );
  return {
    requests,
    offset: clockOffset(requests),
    mayHaveLostStore: ({ target = '', sentUs, doneUs }) =>
      (timesOf.get(target) ?? []).some(
        (atUs) => atUs >= sentUs && atUs <= doneUs + GIVEN_BACK_WITHIN_US,
      ),
  };
}

export function toLevelEvents(
  { requests, ...decided }: DecidedOperations,
  given: LeveledOperations,
): LevelEvent[] {
  return requests.flatMap(({ operation, evidence }) => {
    const levels = given.levelsOf(operation) ?? [];
    if (levels.length === 0) return [];
    const fields = new Map(parseLimitFields(operation).map((field) => [field.policy, field]));
    return levels.flatMap((level) => {
      const event = decisionAt(level, { levels, operation, evidence, given, ...decided });
      if (event === null) return [];
      return [{ ...common(level, operation, fields, event.atUs), ...event }];
    });
  });
}

function common(
  { policy, subject, limit, windowMs, weight, isShared = false }: LevelUse,
  { requestId }: OperationRecord,
  fields: ReadonlyMap<string, LimitField>,
  atUs: number | null,
) {
  // Without the store the answer tells of the part that the process has by itself.
  const field = atUs === null ? undefined : fields.get(policy);
  return {
    requestId,
    policy,
    subject,
    limit,
    weight,
    isShared,
    windowUs: windowMs * 1_000,
    remaining: field?.remaining ?? null,
    quota: field?.limit ?? null,
  };
}

type Decided = Pick<LevelEvent, 'kind' | 'fromUs' | 'toUs' | 'atUs' | 'isRefunded'>;

/** Null where this level did not decide. */
function decisionAt(
  level: LevelUse,
  context: Omit<DecidedOperations, 'requests'> & {
    readonly levels: readonly LevelUse[];
    readonly operation: OperationRecord;
    readonly evidence: LimitEvidence | null;
    readonly given: LeveledOperations;
  },
): Decided | null {
  const { levels, operation, evidence, given, offset } = context;
  const { sentUs, doneUs, outcome, status } = operation;
  const lateUs = outcome === 'unknown' && evidence === null ? DECIDED_WITHIN_US : 0;
  const whole = {
    fromUs: sentUs + offset.minUs,
    toUs: doneUs + lateUs + offset.maxUs,
    atUs: null,
    isRefunded: false,
  };
  if (evidence === null) return { kind: kindByStatus(status), ...whole };
  // Redis may have counted it before its answer was lost, also if the process then refused it.
  if (evidence.mode !== 'store') return { kind: 'possible', ...whole };
  const refusing = levels.filter(({ policy }) => evidence.refusedBy.includes(policy));
  const refusedFirst = refusing.some(({ isSecond }) => !isSecond);
  if (level.isSecond && refusedFirst) return null;
  const atUs = level.isSecond ? evidence.atUs : evidence.firstAtUs;
  const exact = { fromUs: atUs, toUs: atUs, atUs, isRefunded: false };
  const givenBack: Decided = {
    kind: 'possible',
    fromUs: atUs,
    // It explains a refusal only while it was held: as if taken one window before it was given back.
    toUs: context.mayHaveLostStore(operation) ? whole.toUs : whole.toUs - level.windowMs * 1_000,
    atUs,
    isRefunded: true,
  };
  const isUnavailable = status === UNAVAILABLE;
  if (evidence.admitted)
    return isUnavailable || given.isRefunded?.(operation)
      ? givenBack
      : { kind: 'admitted', ...exact };
  if (refusing.includes(level)) return { kind: 'refused', ...exact };
  // The first decision took its units, and the second refused: they are given back.
  if (!level.isSecond && evidence.atUs !== evidence.firstAtUs && !refusedFirst) return givenBack;
  return { kind: 'spared', ...exact };
}

/** Limits are decided before anything else that may refuse a request: what was answered at all was let through. */
function kindByStatus(status: number): LevelEvent['kind'] {
  if (status === 429) return 'refused';
  return status > 0 && status < 500 ? 'admitted' : 'possible';
}
