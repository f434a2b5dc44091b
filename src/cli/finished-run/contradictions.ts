/**
 * Whether the verdicts of a result follow from its own figures: all that can be said of a result without its history.
 */

import { exitCodes } from '../../sim/pure/exit-code.ts';
import { compareWithLimit, parseSlo } from '../../sim/pure/judge/slo.ts';
import type { ArmResult, Result, SloResult } from '../../sim/result.ts';

/** One sentence for each contradiction. */
export function contradictions(result: Result): string[] {
  return [
    ...Object.entries(result.arms).flatMap(([name, arm]) =>
      [
        ...arm.slos.flatMap((slo) => sloContradictions(slo, arm)),
        ...invariantContradictions(arm),
        ...armContradictions(arm, failedIn(result, name)),
      ].map((text) => `${name}: ${text}`),
    ),
    ...runContradictions(result),
  ];
}

function failedIn({ failed }: Result, arm: string): string[] {
  return failed
    .filter((id) => id.startsWith(`${arm}.`) && !id.endsWith('.verdict'))
    .map((id) => id.slice(arm.length + 1));
}

function sloContradictions(
  { id, objective, measured, limit, verdict, samples, scope, unit }: SloResult,
  { latency }: ArmResult,
): string[] {
  const slo = parseSlo(objective);
  if (slo.limit !== limit) return [`slo ${id} has the limit ${limit}, not that of ${objective}`];
  const found: string[] = [];
  if (measured === null) {
    if (verdict !== 'unknown') found.push(`slo ${id} is ${verdict} and was not measured`);
    return found;
  }
  // At the limit itself a histogram's bucket decides, which the result does not show.
  const holds = measured === limit ? null : compareWithLimit(measured, slo);
  if ((verdict === 'pass' && holds === false) || (verdict === 'fail' && holds === true))
    found.push(`slo ${id} is ${verdict} with ${measured} of ${objective}`);
  const isOfArm = scope === undefined && unit === 'us' && slo.metric === '' && !slo.relative;
  const key = `${slo.indicator}Us`;
  if (isOfArm && samples === latency.count && key in latency) {
    const value = latency[key as keyof typeof latency];
    if (value !== measured) found.push(`slo ${id} measured ${measured}, the arm ${value}`);
  }
  return found;
}

function invariantContradictions({ invariants }: ArmResult): string[] {
  return invariants
    .filter(({ verdict, violations }) =>
      verdict === 'pass' ? violations > 0 : verdict === 'fail' && violations === 0,
    )
    .map(
      ({ id, verdict, violations }) =>
        `invariant ${id} is ${verdict} with ${violations} violations`,
    );
}

function armContradictions(arm: ArmResult, failed: readonly string[]): string[] {
  const { verdict, validity, slos, invariants } = arm;
  const judged = [
    ...slos.map((slo) => ({ name: `slo.${slo.id}`, verdict: slo.verdict })),
    ...invariants.map((one) => ({ name: `invariant.${one.id}`, verdict: one.verdict })),
  ];
  const found = failed
    .filter((name) => judged.find((one) => one.name === name)?.verdict !== 'fail')
    .map((name) => `${name} is listed as failed and did not fail`);
  const isValid = validity.every(({ ok, severity }) => ok || severity !== 'unknown');
  if (verdict === 'pass' && !(isValid && judged.every((one) => one.verdict !== 'unknown')))
    found.push('it passes with a check that did not');
  if (verdict === 'pass' && failed.length > 0) found.push(`it passes with ${failed.join(', ')}`);
  if (verdict === 'fail' && judged.every((one) => one.verdict !== 'fail'))
    found.push('it fails with nothing that failed');
  const { p50Us, p95Us, p99Us, p999Us, maxUs } = arm.latency;
  const quantiles = [p50Us, p95Us, p99Us, p999Us, maxUs];
  if (quantiles.some((value, index) => index > 0 && value < quantiles[index - 1]!))
    found.push('its percentiles do not rise');
  return found;
}

function runContradictions({ verdict, exitCode, aborted, failed, arms }: Result): string[] {
  const asExpected = Object.values(arms).every((arm) => arm.verdict === arm.expected);
  const found: string[] = [];
  if (verdict === 'pass' && !(asExpected && failed.length === 0 && !aborted))
    found.push('the run passes against the expectation of an arm');
  if (verdict !== 'pass' && !aborted && failed.length === 0)
    found.push(`the run is ${verdict} and names nothing`);
  const codes: Readonly<Record<Result['verdict'], readonly number[]>> = {
    pass: [exitCodes.pass],
    unknown: aborted
      ? [exitCodes.SIGINT, exitCodes.SIGTERM, exitCodes.SIGHUP]
      : [exitCodes.unknown],
    fail: [failed.some((id) => id.includes('.invariant.')) ? exitCodes.invariant : exitCodes.slo],
  };
  if (!codes[verdict].includes(exitCode)) found.push(`${verdict} is not exit code ${exitCode}`);
  return found;
}
