/**
 * JUnit for CI pages. Some of them show only a testcase's name and the text of its failure, so the objective
 * is in the name and the measured value, limit and n are in the text. A failure that the scenario expected of
 * `before` is skipped, or the gate could never pass; any other unknown is an error, never a pass.
 */
import type { Result, Verdict } from '../sim/result.ts';
import { faultCells } from './fault-rows.ts';
import { countText, measureText, oneLine, printable } from './format.ts';
import { armEndUs, type ItemKind, isExcused, type NamedArm, namedArms } from './rows.ts';
import { bandText, exitText, expectationText, figureText, sloText } from './wording.ts';

interface Case {
  readonly name: string;
  readonly outcome: 'pass' | 'failure' | 'error' | 'skipped';
  /** Says everything; shown by pages that ignore `message`. */
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
  const head = `<testsuites name="${xml(result.scenario)}" ${totals(all)} time="${seconds(result.durationMs / 1_000)}">`;
  const body = suites.map((suite) => renderSuite(suite, result.startedAt)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${body}</testsuites>\n`;
}

/** The run itself: an aborted or empty run must never look green. */
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
        text: `${result.sentence}\n${exitText(result.exitCode)}${failed}\nrepeat: ${result.command}`,
        seconds: 0,
      },
    ],
  };
}

function armSuite(result: Result, named: NamedArm): Suite {
  const { name, arm } = named;
  const took = armEndUs(arm) / 1_000_000;
  const toCase = caseOf(result, named);
  return {
    name: `${result.scenario}.${name}`,
    seconds: took,
    properties: [
      ['design', arm.design],
      ['expected', arm.expected],
      ['verdict', arm.verdict],
      ...measurements(arm),
    ],
    cases: [
      {
        name: `verdict: ${name} expected to ${arm.expected}`,
        outcome:
          arm.verdict === arm.expected ? 'pass' : arm.verdict === 'unknown' ? 'error' : 'failure',
        text: `${expectationText(arm)}. ${arm.reason}`,
        seconds: took,
      },
      ...arm.slos.map((slo) =>
        toCase(
          'slo',
          slo,
          slo.scope === undefined ? slo.objective : `${slo.objective} (${slo.scope})`,
          sloText(slo),
        ),
      ),
      ...arm.documented.map((figure) =>
        toCase(
          'documented',
          figure,
          `${figure.label} ${figureText(figure, figure.documented)}, band ${bandText(figure)}`,
          `reproduced ${figureText(figure, figure.reproduced)}, documented ${figureText(figure, figure.documented)}, band ${bandText(figure)}`,
        ),
      ),
      ...arm.invariants.map((item) =>
        toCase(
          'invariant',
          item,
          item.statement,
          [
            `${countText(item.violations)} violations in ${countText(item.checked)} checked`,
            ...(item.reason === undefined ? [] : [item.reason]),
            ...(item.figures ?? []).map(
              ({ label, value, unit }) => `${label}: ${measureText(value, unit)}`,
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

function caseOf(result: Result, named: NamedArm) {
  return (
    kind: ItemKind,
    { id, verdict }: { id: string; verdict: Verdict },
    title: string,
    text: string,
  ): Case => {
    const outcome = isExcused(result, named, { kind, id, verdict })
      ? 'skipped'
      : outcomeOf(verdict);
    return { name: `${kind} ${id}: ${title}`, outcome, text, seconds: 0 };
  };
}

/** What has no verdict of its own: cost of an operation, end of each fault and recovery from it. */
function measurements(arm: NamedArm['arm']): [string, string][] {
  const faults = faultCells(arm);
  return [
    ...arm.costs.map(({ id, value, unit }): [string, string] => [
      `cost.${id}`,
      measureText(value, unit),
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
    .map(([name, value]) => `      <property name="${xml(name)}" value="${xml(value)}"/>\n`)
    .join('');
  const cases = suite.cases.map((item) => renderCase(suite.name, item)).join('');
  const timestamp = startedAt.replace(/\.\d+Z$|Z$/, '');
  return (
    `  <testsuite name="${xml(suite.name)}" ${totals(suite.cases)} time="${seconds(suite.seconds)}" timestamp="${xml(timestamp)}">\n` +
    `    <properties>\n${properties}    </properties>\n${cases}  </testsuite>\n`
  );
}

function renderCase(suiteName: string, item: Case): string {
  const open = `    <testcase classname="${xml(suiteName)}" name="${xml(oneLine(item.name))}" time="${seconds(item.seconds)}">`;
  const message = xml(oneLine(item.text.split('\n')[0] ?? ''));
  const text = xml(item.text);
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

function totals(cases: readonly Case[]): string {
  const of = (outcome: Case['outcome']) => cases.filter((item) => item.outcome === outcome).length;
  return `tests="${cases.length}" failures="${of('failure')}" errors="${of('error')}" skipped="${of('skipped')}"`;
}

function seconds(value: number): string {
  return value.toFixed(3);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

function xml(text: string): string {
  return printable(text).replace(/[&<>"]/g, (char) => ENTITIES[char]!);
}
