/** The records of an arm in the selections that its figures are computed over. */
import type { OperationRecord, PhaseRecord } from '../../history.ts';
import { type LogicalOperation, logicalOperations } from '../measure/logical-operations.ts';
import { type Span, spanOf } from '../measure/series.ts';
import type { ArmInput } from './arm-input.ts';

export interface RecordViews {
  readonly attempts: readonly OperationRecord[];
  readonly judgedAttempts: readonly OperationRecord[];
  /** Retries folded into their operations. */
  readonly operations: readonly LogicalOperation[];
  readonly judged: readonly LogicalOperation[];
  /** As `operations` and `judged`, with expected refusals counted as ok. */
  readonly shown: readonly LogicalOperation[];
  readonly shownJudged: readonly LogicalOperation[];
  readonly phases: readonly PhaseRecord[];
  readonly judgedNames: ReadonlySet<string>;
  readonly span: Span;
}

export function selectViews({
  history,
  expectedRefusals,
}: Pick<ArmInput, 'history' | 'expectedRefusals'>): RecordViews {
  const attempts = history.filter((record) => record.kind === 'op');
  const operations = logicalOperations(attempts);
  const shown = operations.map((operation) => acceptExpectedRefusal(operation, expectedRefusals));
  const phases = history.filter((record) => record.kind === 'phase');
  const judgedPhases = phases.filter((phase) => phase.judged);
  const judgedNames = new Set(judgedPhases.map(({ name }) => name));
  const isJudged = ({ phase }: OperationRecord) => judgedNames.has(phase);
  return {
    attempts,
    judgedAttempts: attempts.filter(isJudged),
    operations,
    judged: operations.filter(isJudged),
    shown,
    shownJudged: shown.filter(isJudged),
    phases,
    judgedNames,
    span: spanOf(judgedPhases) ?? spanOf(phases) ?? { startUs: 0, endUs: 1 },
  };
}

/** Counts an expected 401 as ok: invariants, not the error rate, judge whether it was right. */
function acceptExpectedRefusal(
  operation: LogicalOperation,
  refusals: readonly string[],
): LogicalOperation {
  return operation.outcome === 'fail' &&
    operation.status === 401 &&
    refusals.includes(operation.name)
    ? { ...operation, outcome: 'ok' }
    : operation;
}
