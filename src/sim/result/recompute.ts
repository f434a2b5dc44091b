/**
 * Computes the result of a finished run again from its history, one arm at a time to bound memory, and compares it with
 * the recorded one.
 */
import { readHistory } from '../effects/load/engine/read-history.ts';
import type { EndRecord, HistoryRecord, RunRecord } from '../history.ts';
import type { Plan } from '../plan/plan.ts';
import type { ArmName, Result } from '../result.ts';
import { ResultBuilder } from './result-builder.ts';

/** A history that lacks what a result is computed from. */
export class IncompleteHistory extends Error {}

/** One value of result.json that the history does not confirm; undefined where one side lacks it. */
export interface Difference {
  /** `arms.after.slos.p99.measured` */
  readonly path: string;
  readonly recorded: unknown;
  readonly computed: unknown;
}

/** Relative: the last digits of a logarithm differ between versions of the JavaScript engine. */
const ROUNDING = 1e-9;

/** Throws CorruptHistory, IncompleteHistory, and what `planOf` throws. */
export async function recomputeResult(
  historyFile: string,
  planOf: (run: RunRecord) => Plan,
): Promise<Result> {
  const judged = new Set(await judgedArms(historyFile));
  let builder: ResultBuilder | null = null;
  let end: EndRecord | null = null;
  let arm: ArmName | null = null;
  let records: HistoryRecord[] = [];
  const judge = () => {
    // An arm that was interrupted is in the history and not in the result.
    if (arm !== null && builder !== null && judged.has(arm)) judgeArm(builder, arm, records);
    arm = null;
    records = [];
  };
  for await (const record of readHistory(historyFile)) {
    if (record.kind === 'run') builder = new ResultBuilder(planOf(record), record);
    else if (record.kind === 'end') end = record;
    else {
      if (record.kind === 'arm') {
        judge();
        arm = record.arm as ArmName;
      }
      records.push(record);
    }
  }
  judge();
  if (builder === null || end === null) {
    throw new IncompleteHistory(
      `its history has no ${builder === null ? 'first' : 'last'} record of the run`,
    );
  }
  return builder.build(end);
}

async function judgedArms(historyFile: string): Promise<readonly ArmName[]> {
  let arms: readonly ArmName[] = [];
  for await (const record of readHistory(historyFile)) {
    if (record.kind === 'end') arms = record.arms;
  }
  return arms;
}

function judgeArm(builder: ResultBuilder, name: ArmName, records: readonly HistoryRecord[]): void {
  try {
    builder.judgeArm(name, records);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new IncompleteHistory(cause.message, { cause });
  }
}

/** Every value that differs, in the order of the recorded result. */
export function compareResults(recorded: Result, computed: Result): Difference[] {
  // The computed one has never been through JSON, which drops absent fields.
  return compare('', recorded, JSON.parse(JSON.stringify(computed)));
}

function compare(path: string, recorded: unknown, computed: unknown): Difference[] {
  if (isEqual(recorded, computed)) return [];
  const [old, found] = [entriesOf(recorded), entriesOf(computed)];
  if (old === null || found === null) return [{ path, recorded, computed }];
  const names = new Set([...old.keys(), ...found.keys()]);
  return [...names].flatMap((name) =>
    compare(path === '' ? name : `${path}.${name}`, old.get(name), found.get(name)),
  );
}

function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= ROUNDING * Math.max(Math.abs(a), Math.abs(b));
  return a === b;
}

/** The members of a list by their ids, if every one has its own; null for a plain value. */
function entriesOf(value: unknown): Map<string, unknown> | null {
  if (typeof value !== 'object' || value === null) return null;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  const ids = value.map((member) => (member as { id?: unknown } | null)?.id);
  const named = new Set(ids).size === ids.length && ids.every((id) => typeof id === 'string');
  return new Map(value.map((member, index) => [named ? `${ids[index]}` : `${index}`, member]));
}
