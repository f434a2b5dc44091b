/**
 * Builds a run's result from its plan and its history, arm by arm in the order they ran. The run and `verify` use it
 * alike, so no figure of result.json has another source.
 */
import type { EndRecord, HistoryRecord, RunRecord } from '../history.ts';
import { operationsOf } from '../load-kinds.ts';
import { armOf, type Plan, type PlannedArm } from '../plan/plan.ts';
import { exitCodes } from '../pure/exit-code.ts';
import { armResult } from '../pure/judge/arm-result.ts';
import type { EarlierArms } from '../pure/judge/judge-slos.ts';
import { SEND_LAG_LIMIT_US } from '../pure/judge/validity.ts';
import { type ArmJudgement, judgeRun, verdictSentence } from '../pure/judge/verdict.ts';
import { timesFromSend } from '../pure/load/load-tool.ts';
import type { ArmName, ArmResult, Result } from '../result.ts';

export interface JudgedArm {
  readonly name: ArmName;
  readonly result: ArmResult;
  readonly judgement: ArmJudgement;
}

export class ResultBuilder {
  readonly #plan: Plan;
  readonly #run: RunRecord;
  readonly #judgedArms: JudgedArm[] = [];
  #earlierArms: EarlierArms = {};

  constructor(plan: Plan, run: RunRecord) {
    this.#plan = plan;
    this.#run = run;
  }

  get judgedArms(): readonly JudgedArm[] {
    return this.#judgedArms;
  }

  /** `history`: every record of the arm, its MeasurementRecord among them. Throws RangeError for an arm out of the plan. */
  judgeArm(name: ArmName, history: readonly HistoryRecord[]): JudgedArm {
    const measured = history.find((record) => record.kind === 'measured');
    if (measured === undefined) throw new RangeError(`the history of ${name} has no measurements`);
    const arm = armOf(this.#plan, name);
    const { design, description, expected, mustFail, mayFail } = arm;
    const { generator, slos, invariants, tolerance, diagnosis } = this.#plan;
    const { kind: _, ...measurements } = measured;
    const { result, judgement, references } = armResult({
      history,
      earlierArms: this.#earlierArms,
      failingPerSecond: this.#failingPerSecond(),
      slos,
      invariants,
      tolerance,
      documented: arm.documented,
      lagLimitUs: SEND_LAG_LIMIT_US,
      culprit: diagnosis?.culprit ?? null,
      expectedRefusals: expectedRefusals(arm),
      baseline: arm.phases.find(({ role }) => role === 'baseline')?.name ?? null,
      plannedFaults: arm.phases.flatMap(({ faults = [] }) => faults.map((fault) => fault.name)),
      observed: {
        ...measurements,
        design,
        description,
        expected,
        mustFail,
        mayFail,
        timedFromSend: timesFromSend(generator?.tool ?? null),
      },
    });
    this.#earlierArms = { ...this.#earlierArms, [name]: references };
    const judged = { name, result, judgement };
    this.#judgedArms.push(judged);
    return judged;
  }

  build({ durationMs, aborted, versions, comparison }: Omit<EndRecord, 'kind'>): Result {
    const plan = this.#plan;
    const { runId, startedAt, command, environment } = this.#run;
    const judgedArms = this.#judgedArms;
    const arms = Object.fromEntries(judgedArms.map(({ name, result }) => [name, result]));
    const judged = judgeRun(
      judgedArms.map(({ name, result, judgement }) => ({
        ...judgement,
        name,
        expected: result.expected,
      })),
    );
    return {
      schema: 'platform-sim/result@3',
      scenario: plan.id,
      title: plan.title,
      question: plan.question,
      situation: plan.situation,
      runId,
      startedAt,
      durationMs,
      verdict: aborted ? 'unknown' : judged.verdict,
      exitCode: aborted ? exitCodes.SIGINT : judged.exitCode,
      sentence: aborted
        ? `${plan.id} aborted: ${judgedArms.length} of ${plan.arms.length} arms finished, nothing is proven.`
        : verdictSentence(plan.id, judged, arms),
      aborted,
      seed: plan.seed,
      quick: plan.scale === 'quick',
      scaleNote: plan.scaleNote,
      command,
      environment: { ...environment, versions },
      failed: judged.failed,
      arms,
      ...(comparison && { comparison }),
    };
  }

  /** A rate at which `before` missed its SLO; null when it was not measured or held. */
  #failingPerSecond(): number | null {
    const before = this.#judgedArms.find(({ name }) => name === 'before');
    return before?.judgement.verdict === 'fail' ? before.result.offeredPerSecond : null;
  }
}

/** Names of the operations that use ended credentials: their expected answer is 401. */
function expectedRefusals({ phases }: PlannedArm): string[] {
  return operationsOf(phases)
    .filter(({ as }) => as === 'ended')
    .map(({ name }) => name);
}
