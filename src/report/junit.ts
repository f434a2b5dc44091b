/**
 * JUnit for CI pages. Some show only a testcase's name and the text of its failure, so the objective is in the name
 * and the measured value, limit and n are in the text. An expected failure of `before` is skipped, because the gate
 * could never pass otherwise; an unknown is an error, never a pass.
 */
import type { Result, Verdict } from '../sim/result.ts';
import { toFaultCells } from './fault-rows.ts';
import { formatCount, formatMeasure, oneLine, replaceUnprintable } from './format.ts';
import { armEndUs, type ItemKind, isExpectedFailure, type NamedArm, namedArms } from './rows.ts';
import {
  formatBand,
  formatExitCode,
  formatExpectation,
  formatFigure,
  formatSlo,
} from './wording.ts';

interface Case {
  readonly name: string;
  readonly outcome: 'pass' | 'failure' | 'error' | 'skipped';
  /** The whole text, for pages that ignore `message`. */
  readonly text: string;
  readonly seconds: number;
}

interface Suite {
  readonly name: string;
  readonly cases: readonly Case[];
  readonly seconds: number;
  readonly properties: readonly (readonly [string, string])[];
}

export function renderJunit(result: Result): string {
  const suites = [...namedArms(result).map((named) => armSuite(result, named)), runSuite(result)];
  const all = suites.flatMap((suite) => suite.cases);
  const head = `<testsuites name="${escapeXml(result.scenario)}" ${formatCounts(all)} time="${formatSeconds(result.durationMs / 1_000)}">`;
  const body = suites.map((suite) => renderSuite(suite, result.startedAt)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${body}</testsuites>\n`;
}

/** The verdict of the run: an aborted or empty run must not pass. */
function runSuite(result: Result): Suite {
  const outcome = result.aborted || result.verdict === 'unknown' ? 'error' : result.verdict;
  const failed = result.failed.length === 0 ? '' : `\nfailed: ${result.failed.join(', ')}`;
  return {
    name: `${result.scenario}.run`,
    seconds: 0,
    properties: [
      ['command', result.command],
      ['seed', String(result.seed)],
      ['exitCode', String(result.exitCode)],
    ],
    cases: [
      {
        name: 'verdict of the run',
        outcome: outcome === 'fail' ? 'failure' : outcome,
        text: `${result.sentence}\n${formatExitCode(result.exitCode)}${failed}\nrepeat: ${result.command}`,
        seconds: 0,
      },
    ],
  };
}

function armSuite(result: Result, named: NamedArm): Suite {
  const { name, arm } = named;
  const took = armEndUs(arm) / 1_000_000;
  const toCase = caseBuilder(result, named);
  return {
    name: `${result.scenario}.${name}`,
    seconds: took,
    properties: [
      ['design', arm.design],
      ['expected', arm.expected],
      ['verdict', arm.verdict],
      ...measurementProperties(arm),
    ],
    cases: [
      {
        name: `verdict: ${name} expected to ${arm.expected}`,
        outcome:
          arm.verdict === arm.expected ? 'pass' : arm.verdict === 'unknown' ? 'error' : 'failure',
        text: `${formatExpectation(named, result.failed)}. ${arm.reason}`,
        seconds: took,
      },
      ...arm.slos.map((slo) =>
        toCase(
          'slo',
          slo,
          slo.scope === undefined ? slo.objective : `${slo.objective} (${slo.scope})`,
          formatSlo(slo),
        ),
      ),
      ...arm.documented.map((figure) =>
        toCase(
          'documented',
          figure,
          `${figure.label} ${formatFigure(figure, figure.documented)}, band ${formatBand(figure)}`,
          `reproduced ${formatFigure(figure, figure.reproduced)}, documented ${formatFigure(figure, figure.documented)}, band ${formatBand(figure)}`,
        ),
      ),
      ...arm.invariants.map((item) =>
        toCase(
          'invariant',
          item,
          item.statement,
          [
            `${formatCount(item.violations)} violations in ${formatCount(item.checked)} checked`,
            ...(item.reason === undefined ? [] : [item.reason]),
            ...(item.figures ?? []).map(
              ({ label, value, unit }) => `${label}: ${formatMeasure(value, unit)}`,
            ),
            ...item.witness.map((witness) => JSON.stringify(witness)),
          ].join('\n'),
        ),
      ),
      ...arm.validity.map((check) =>
        toCase(
          'validity',
          { id: check.id, verdict: check.ok || check.severity === 'warn' ? 'pass' : 'unknown' },
          check.statement,
          `${check.ok ? '' : `${check.severity}: `}measured ${check.measured}, limit ${check.limit}`,
        ),
      ),
    ],
  };
}

function caseBuilder(result: Result, named: NamedArm) {
  return (
    kind: ItemKind,
    { id, verdict }: { id: string; verdict: Verdict },
    title: string,
    text: string,
  ): Case => {
    const outcome = isExpectedFailure(result, named, { kind, id, verdict })
      ? 'skipped'
      : outcomeOf(verdict);
    return { name: `${kind} ${id}: ${title}`, outcome, text, seconds: 0 };
  };
}

/** What has no verdict: costs, outcomes of faults, recoveries. */
function measurementProperties(arm: NamedArm['arm']): [string, string][] {
  const faults = toFaultCells(arm);
  return [
    ...arm.costs.map(({ id, value, unit }): [string, string] => [
      `cost.${id}`,
      formatMeasure(value, unit),
    ]),
    ...faults.map(({ name, ending }): [string, string] => [`fault.${name}`, ending]),
    ...faults.flatMap(({ name, recovery }): [string, string][] =>
      recovery === '' ? [] : [[`recovery.${name}`, recovery]],
    ),
  ];
}

function outcomeOf(verdict: Verdict): Case['outcome'] {
  return verdict === 'pass' ? 'pass' : verdict === 'fail' ? 'failure' : 'error';
}

function renderSuite(suite: Suite, startedAt: string): string {
  const properties = suite.properties
    .map(
      ([name, value]) =>
        `      <property name="${escapeXml(name)}" value="${escapeXml(value)}"/>\n`,
    )
    .join('');
  const cases = suite.cases.map((item) => renderCase(suite.name, item)).join('');
  const timestamp = startedAt.replace(/\.\d+Z$|Z$/, '');
  return (
    `  <testsuite name="${escapeXml(suite.name)}" ${formatCounts(suite.cases)} time="${formatSeconds(suite.seconds)}" timestamp="${escapeXml(timestamp)}">\n` +
    `    <properties>\n${properties}    </properties>\n${cases}  </testsuite>\n`
  );
}

function renderCase(suiteName: string, item: Case): string {
  const open = `    <testcase classname="${escapeXml(suiteName)}" name="${escapeXml(oneLine(item.name))}" time="${formatSeconds(item.seconds)}">`;
  const message = escapeXml(oneLine(item.text.split('\n')[0] ?? ''));
  const text = escapeXml(item.text);
  switch (item.outcome) {
    case 'pass':
      return `${open}\n      <system-out>${text}</system-out>\n    </testcase>\n`;
    case 'skipped':
      return `${open}\n      <skipped message="expected: ${message}">${text}</skipped>\n    </testcase>\n`;
    case 'failure':
      return `${open}\n      <failure type="fail" message="${message}">${text}</failure>\n    </testcase>\n`;
    case 'error':
      return `${open}\n      <error type="unknown" message="${message}">${text}</error>\n    </testcase>\n`;
    default:
      return item.outcome satisfies never;
  }
}

function formatCounts(cases: readonly Case[]): string {
  const of = (outcome: Case['outcome']) => cases.filter((item) => item.outcome === outcome).length;
  return `tests="${cases.length}" failures="${of('failure')}" errors="${of('error')}" skipped="${of('skipped')}"`;
}

function formatSeconds(value: number): string {
  return value.toFixed(3);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

function escapeXml(text: string): string {
  return replaceUnprintable(text).replace(/[&<>"]/g, (char) => entities[char]!);
}
