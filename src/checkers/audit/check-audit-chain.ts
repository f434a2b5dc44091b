/**
 * The hash chain over the log of a run, from the result of the platform's verifier and from the rows: no finding, at
 * least one checkpoint, every row in a block, and in each shard sequence numbers without gaps or repeats in the order of
 * the log. The verifier checks the hashes; this checks that it covered the rows of the run. O(n log n).
 */
import type { FactRecord } from '../../sim/history.ts';
import { groupBy } from '../../sim/pure/group-by.ts';
import { type CheckResult, concludeCheck } from '../../sim/pure/judge/check-result.ts';

const WITNESS_LIMIT = 10;

export interface ChainInput {
  /** Rows of the log, with `shard`, `sequence` and `place` among their facts. */
  readonly rows: readonly FactRecord[];
  /** Results of the verifier: `records`, `blocks`, `checkpoints`, `notSequenced`, `findings`, `first`. */
  readonly verifications: readonly FactRecord[];
}

interface ChainedRow {
  readonly row: FactRecord;
  readonly shard: number;
  readonly sequence: number;
  readonly place: number;
}

/** `checked` counts rows. */
export function checkAuditChain({ rows, verifications }: ChainInput): CheckResult {
  const witness: Record<string, unknown>[] = [];
  let violations = 0;
  const report = (violation: string, record: object, by = 1) => {
    violations += by;
    if (witness.length < WITNESS_LIMIT) witness.push({ violation, ...record });
  };
  for (const { facts = {} } of verifications) {
    const number = (name: string) => Number(facts[name] ?? 0);
    if (number('findings') > 0) report('the verifier found something', facts, number('findings'));
    if (number('notSequenced') > 0) report('records in no block', facts);
    if (number('checkpoints') === 0) report('no checkpoint was ever written', facts);
    if (number('records') < rows.length)
      report('the verifier saw fewer records than the log has', { ...facts, rows: rows.length });
  }
  const chained = rows.flatMap(toChainedRow);
  const unchained = rows.length - chained.length;
  if (unchained > 0 && verifications.length > 0)
    report(
      'rows in no block',
      { rows: unchained, first: rows.find((row) => toChainedRow(row).length === 0) },
      unchained,
    );
  for (const [shard, chain] of groupBy(chained, (chainedRow) => chainedRow.shard)) {
    chain.sort((a, b) => a.sequence - b.sequence);
    for (const [index, { row, sequence, place }] of chain.entries()) {
      const before = chain[index - 1];
      if (before === undefined) continue;
      if (sequence === before.sequence)
        report('two rows at one place of the chain', { shard, sequence, row, other: before.row });
      else if (sequence > before.sequence + 1)
        report('a gap in the chain', { shard, after: before.sequence, next: sequence, row });
      if (place <= before.place)
        report('the chain is not in the order of the log', {
          shard,
          sequence,
          row,
          before: before.row,
        });
    }
  }
  const gap = violations > 0 ? null : findGap(rows.length, verifications.length);
  return concludeCheck({
    checked: rows.length,
    violations,
    witness,
    gap,
    figures: figuresOf(verifications[0]),
  });
}

function toChainedRow(row: FactRecord): ChainedRow[] {
  const { shard, sequence, place } = row.facts ?? {};
  if (typeof shard !== 'number' || typeof sequence !== 'number' || typeof place !== 'number')
    return [];
  return [{ row, shard, sequence, place }];
}

function findGap(rows: number, verifications: number): string | null {
  if (verifications === 0) return 'the chain was not verified';
  return rows === 0 ? 'nothing was written' : null;
}

function figuresOf(verification: FactRecord | undefined): CheckResult['figures'] & object {
  const value = (name: string) => {
    const found = verification?.facts?.[name];
    return typeof found === 'number' ? found : null;
  };
  return [
    { id: 'chain-blocks', label: 'blocks in the chain', value: value('blocks'), unit: 'count' },
    { id: 'checkpoints', label: 'checkpoints', value: value('checkpoints'), unit: 'count' },
  ];
}
