/**
 * design.md as an executable document: its sections exist, its decisions are complete, short and append-only,
 * and nothing that is only proposed is used as evidence. Rules are pure functions from text to complaints, and
 * each is shown a planted violation.
 * A pull request compares with its own base: DESIGN_BASE=origin/main npm test. Default: the last commit.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scenarios } from './scenarios/index.ts';
import { resolve } from './sim/plan/resolve.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const wordBudget = 320;
const turns = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const sections = [
  'Now',
  'Evidence',
  'Words',
  'Goals and Non-Goals',
  'Quality Scenarios',
  'Invariants',
  'Capacity Estimation',
  'State Inventory',
  'Components',
  'Hot Paths',
  'Failure Modes',
  'Design Decisions Log',
  'Current Architecture',
  'Risks and Open Questions',
  'Final Summary',
] as const;
const summaryParts = [
  'Architecture Overview',
  'Key Trade-offs',
  'Known Limitations',
  'Operational Runbook',
] as const;
const decisionParts = ['Context', 'Options', 'Decision', 'Consequences', 'Confirmation'] as const;
const statusGrammar = /^(accepted|proposed|superseded by D-\d{3})$/;

interface Decision {
  readonly id: string;
  readonly block: string;
  readonly status: string;
  readonly turn: string;
  readonly date: string;
}

const withoutFigures = (text: string) =>
  text.replace(/<!-- figures:(\S+) -->[\s\S]*?<!-- \/figures:\1 -->\n?/g, '');

/** Text of `## name` up to the next heading of the same level. */
function section(text: string, name: string): string | null {
  const body = new RegExp(`^## ${name}\\n([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, 'm').exec(text);
  return body?.[1] ?? null;
}

const field = (block: string, name: string) =>
  new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';

function parseDecisions(text: string): Decision[] {
  const log = section(text, 'Design Decisions Log') ?? '';
  return log
    .split(/^(?=### )/m)
    .filter((block) => block.startsWith('### '))
    .map((block) => ({
      id: /^### (\S+)/.exec(block)![1]!,
      block: block.trimEnd(),
      status: field(block, 'status'),
      turn: field(block, 'turn'),
      date: field(block, 'date'),
    }));
}

/** One part of a decision, from its bold name to the next part. */
function part(decision: Decision, name: string): string {
  const parts = decisionParts.join('|');
  const found = new RegExp(
    `^\\*\\*${name}\\*\\*([\\s\\S]*?)(?=^\\*\\*(?:${parts})\\*\\*|$(?![\\s\\S]))`,
    'm',
  ).exec(decision.block);
  return found?.[1]?.trim() ?? '';
}

type Rule = (text: string) => string[];
const perDecision =
  (complain: (decision: Decision) => readonly (string | false)[]): Rule =>
  (text) =>
    parseDecisions(text).flatMap((decision) =>
      complain(decision)
        .filter((complaint) => complaint !== false)
        .map((complaint) => `${decision.id}: ${complaint}`),
    );

const hasSections: Rule = (text) => [
  ...sections.filter((name) => !section(text, name)?.trim()).map((name) => `no section ${name}`),
  ...summaryParts
    .filter((name) => !section(text, 'Final Summary')?.includes(`### ${name}`))
    .map((name) => `no ${name} in the Final Summary`),
];

const isConsecutive: Rule = (text) =>
  parseDecisions(text)
    .map(({ id }, at) => ({ id, expected: `D-${String(at + 1).padStart(3, '0')}` }))
    .filter(({ id, expected }) => id !== expected)
    .map(({ id, expected }) => `${id} stands where ${expected} should`);

const isComplete = perDecision((decision) => [
  !statusGrammar.test(decision.status) && `status is "${decision.status}"`,
  !/^(10|[1-9]|engine)$/.test(decision.turn) && `turn is "${decision.turn}"`,
  !/^\d{4}-\d\d-\d\d$/.test(decision.date) && `date is "${decision.date}"`,
  ...decisionParts.map((name) => part(decision, name) === '' && `no ${name}`),
]);

const keepsBudget = perDecision((decision) => {
  const words = withoutFigures(decision.block)
    .split(/\s+/)
    .filter((word) => /\w/.test(word)).length;
  return [words >= wordBudget && `${words} words, budget ${wordBudget}`];
});

/** An accepted decision says how to check it: a command, or the id of an SLO or invariant of the document. */
const confirms: Rule = (text) => {
  const ids = [...(section(text, 'Quality Scenarios') ?? '').matchAll(/`([a-z][a-z0-9-]*)`/g)].map(
    (m) => m[1]!,
  );
  return perDecision((decision) => {
    const confirmation = part(decision, 'Confirmation');
    const named = [...confirmation.matchAll(/`([^`]+)`/g)].map((m) => m[1]!);
    const checkable = named.some((name) => /^(npm|npx|git) /.test(name) || ids.includes(name));
    return [
      decision.status === 'accepted' && !checkable && 'Confirmation names no command and no id',
    ];
  })(text);
};

/** What is not built claims nothing measured, and nothing built leans on it. */
const proposedIsNoEvidence: Rule = (text) => {
  const decisions = parseDecisions(text);
  const proposed = new Set(decisions.filter((d) => d.status === 'proposed').map((d) => d.id));
  const citesProposed = (where: string, quoted: string) =>
    [...quoted.matchAll(/D-\d{3}/g)]
      .filter((m) => proposed.has(m[0]))
      .map((m) => `${where} cites ${m[0]}, which is only proposed`);
  return [
    ...decisions
      .filter((d) => proposed.has(d.id))
      .filter((d) => /\bE-\d+\b|reports\/baselines/.test(d.block))
      .map((d) => `${d.id} is proposed and cites a run`),
    ...decisions
      .filter((d) => d.status === 'accepted')
      .flatMap((d) => citesProposed(d.id, part(d, 'Confirmation'))),
    ...citesProposed('Evidence', section(text, 'Evidence') ?? ''),
  ];
};

const everyTurnDecided: Rule = (text) => {
  const decided = new Set(parseDecisions(text).map(({ turn }) => turn));
  return turns
    .filter((turn) => !decided.has(String(turn)))
    .map((turn) => `no decision of turn ${turn}`);
};

/** A superseded decision and the one that replaces it name each other. */
const supersedesBothWays: Rule = (text) => {
  const decisions = parseDecisions(text);
  return decisions.flatMap(({ id, status }) => {
    const heir = /^superseded by (D-\d{3})$/.exec(status)?.[1];
    if (heir === undefined) return [];
    const linked = decisions.some((d) => d.id === heir && d.block.includes(`supersedes ${id}`));
    return linked ? [] : [`${id} says ${heir} supersedes it, and ${heir} does not`];
  });
};

/** Numbers and bodies stay; the titles were reworded once, by the decision of this number. */
const titlesReworded = 'D-076';

/** Older decisions may change their status line and their figures blocks, nothing else. */
function appendOnly(older: string, newer: string): string[] {
  const comparesTitles = parseDecisions(older).some(({ id }) => id === titlesReworded);
  const frozen = ({ id, block }: Decision) =>
    withoutFigures(comparesTitles ? block : block.replace(/^### .*$/m, id))
      .replace(/^status: .*$/m, 'status:')
      .trimEnd();
  const now = new Map(parseDecisions(newer).map((d) => [d.id, frozen(d)]));
  return parseDecisions(older)
    .filter((d) => now.get(d.id) !== frozen(d))
    .map((d) => `${d.id} was ${now.has(d.id) ? 'rewritten' : 'removed'}`);
}

/** Names in the runbook's table of built metrics that no source defines: a renamed metric makes a runbook lie. */
function unknownMetrics(text: string, source: string): string[] {
  const runbook = text.split('### Operational Runbook')[1]?.split('\nPlanned')[0] ?? '';
  return [
    ...runbook.matchAll(/`([a-z]+(?:_[a-z0-9]+)*_(?:seconds|depth|rate|waiting|total|events))`/g),
  ]
    .map((m) => m[1]!)
    .filter((name) => !source.includes(`'${name}'`));
}

/** The document at the base commit; null without git, without that commit, or before its first edition. */
function committed(): string | null {
  const base = process.env.DESIGN_BASE ?? 'HEAD';
  try {
    return execFileSync('git', ['show', `${base}:design.md`], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
  } catch {
    return null; // a published package has no history
  }
}

const sample = (
  changes: Partial<Record<'head' | 'status' | 'confirmation' | 'context', string>>,
) => `
## Quality Scenarios
| \`p99\` |
## Design Decisions Log

### ${changes.head ?? 'D-001 Keep it'}
status: ${changes.status ?? 'accepted'}
turn: 4
date: 2026-11-21

**Context** ${changes.context ?? 'Slow.'}
**Options** One, or two.
**Decision** One.
**Consequences** Good: fast. Bad: more code.
**Confirmation** ${changes.confirmation ?? '`p99`'}

## Current Architecture
`;

const planted: readonly { name: string; rule: Rule; sound?: string; broken: string }[] = [
  { name: 'every required section is there', rule: hasSections, broken: sample({}) },
  {
    name: 'ids are consecutive',
    rule: isConsecutive,
    broken: sample({ head: 'D-002 Skipped one' }),
  },
  { name: 'every decision is complete', rule: isComplete, broken: sample({ status: 'maybe' }) },
  {
    name: `every decision stays under ${wordBudget} words`,
    rule: keepsBudget,
    broken: sample({ context: 'word '.repeat(wordBudget) }),
  },
  {
    name: 'every accepted decision can be confirmed',
    rule: confirms,
    broken: sample({ confirmation: 'It feels fast; see `somewhere`.' }),
  },
  {
    name: "what is proposed claims no run and is nobody else's evidence",
    rule: proposedIsNoEvidence,
    broken: sample({ status: 'proposed', context: 'See E-1.' }),
  },
  { name: 'every turn has a decision', rule: everyTurnDecided, broken: sample({}) },
  {
    name: 'superseding is said on both sides',
    rule: supersedesBothWays,
    broken: sample({ status: 'superseded by D-009' }),
  },
];

describe('design.md', () => {
  const text = readFileSync(path.join(root, 'design.md'), 'utf8');
  for (const { name, rule } of planted) it(name, () => expect(rule(text)).toEqual([]));

  it('names only metrics that the gateway has', () => {
    const files = ['metrics', 'store-metrics', 'hit-rate'];
    const metrics = files
      .map((file) => readFileSync(path.join(root, `src/services/gateway/${file}.ts`), 'utf8'))
      .join('');
    expect(text).toContain('`audit_service_queue_depth`');
    expect(unknownMetrics(text, metrics)).toEqual([]);
  });

  it.each(scenarios)('names every SLO and invariant of $id', (scenario) => {
    const { slos, invariants } = resolve(scenario, { quick: false, seed: 1 });
    const all = [...slos, ...invariants];
    const missing = all.filter(({ id }) => !text.includes(`\`${id}\``));
    expect(missing).toEqual([]);
  });

  const older = committed();
  it.skipIf(older === null)('keeps every older decision as it was', () =>
    expect(appendOnly(older!, text)).toEqual([]),
  );
});

describe('the rules of design.md', () => {
  for (const { name, rule, broken } of planted)
    it(`catch a violation: ${name}`, () => expect(rule(broken)).not.toEqual([]));

  it('catch a metric that nobody defines', () =>
    expect(unknownMetrics('### Operational Runbook\n| `queue_depth` |', "'queue_length'")).toEqual([
      'queue_depth',
    ]));

  it('accept a decision that is complete', () => {
    const rules = [isConsecutive, isComplete, keepsBudget, confirms, proposedIsNoEvidence];
    expect(rules.flatMap((rule) => rule(sample({})))).toEqual([]);
  });

  it('catch a part that is missing', () =>
    expect(isComplete(sample({}).replace('**Options**', '**Choices**'))).toEqual([
      'D-001: no Options',
    ]));

  it('let an older decision change its status and its figures only', () => {
    const before = sample({ status: 'proposed' });
    const figures = '<!-- figures:turn4 -->\n| p99 |\n<!-- /figures:turn4 -->\n';
    const grown = sample({ status: 'accepted' }).replace('**Context**', `${figures}**Context**`);
    expect(appendOnly(before, grown)).toEqual([]);
    expect(appendOnly(before, sample({ context: 'Never slow.' }))).toEqual(['D-001 was rewritten']);
    expect(appendOnly(before, sample({ head: 'D-002 Other' }))).toEqual(['D-001 was removed']);
  });

  it('let titles be reworded until the decision that did so, and keep them from then on', () => {
    const reworded = (text: string) => text.replace('D-001 Keep it', 'D-001 Keep this');
    const sealed = sample({}).replace('## Current', `### ${titlesReworded} Reword\n\n## Current`);
    expect(appendOnly(sample({}), reworded(sample({})))).toEqual([]);
    expect(appendOnly(sealed, reworded(sealed))).toEqual(['D-001 was rewritten']);
  });
});
