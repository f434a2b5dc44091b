/** `platform list`: the scenarios, each with its question and the verdict expected of each design. */

import { wrap } from '../report/terminal-text.ts';
import { resolve } from '../sim/plan/resolve.ts';
import type { Scenario } from '../sim/scenario.ts';
import type { Io } from './io.ts';
import { terminalWidth } from './io.ts';
import { DEFAULT_SEED } from './units.ts';

export function runList(scenarios: readonly Scenario[], flags: { json: boolean }, io: Io): number {
  if (flags.json) {
    io.stdout.write(`${JSON.stringify(scenarios.map(summarizeScenario), null, 2)}\n`);
    return 0;
  }
  const width = Math.min(100, terminalWidth(io.stdout));
  const blocks = scenarios.map((scenario) => {
    const { id, title, question, arms } = summarizeScenario(scenario);
    const indent = ' '.repeat(10);
    const expected = Object.entries(arms).map(([name, arm]) => `${name} ${arm.expected}`);
    const lines = [
      ...wrap(question, width - 10, { keepWords: true }),
      `expected: ${expected.join(', ')}`,
    ];
    return [`${id.padEnd(10)}${title}`, ...lines.map((line) => indent + line)].join('\n');
  });
  io.stdout.write(`${blocks.join('\n\n')}\n\n`);
  io.stdout.write(
    `platform explain ${scenarios.at(-1)?.id ?? '<turn>'} shows what a scenario does.\n`,
  );
  return 0;
}

function summarizeScenario(scenario: Scenario) {
  const plan = resolve(scenario, { quick: false, seed: DEFAULT_SEED });
  const arms = plan.arms.map(({ name, design, expected }) => [name, { design, expected }]);
  const { id, turn, title, question } = plan;
  return {
    id,
    turn,
    title,
    question,
    arms: Object.fromEntries(arms) as Record<string, { design: string; expected: string }>,
  };
}
