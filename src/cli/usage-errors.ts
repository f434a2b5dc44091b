/** Turns commander's errors into the three-line form: what was wrong, why, what to type. */
import type { Command, CommanderError } from 'commander';
import { UsageError } from '../sim/errors.ts';
import { suggestion } from '../sim/suggestion.ts';

export function toUsageError(
  error: CommanderError,
  argv: readonly string[],
  program: Command,
): UsageError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const command = findCommand(argv, program);
  const what = first.replace(/[.\s]+$/, '');
  if (error.code === 'commander.unknownCommand') return unknownCommandError(what, argv, command);
  const hint = /\(Did you mean (.*)\?\)/.exec(rest.join(' '))?.[1];
  const why = hint === undefined ? `usage: ${usageOf(command)}` : `did you mean ${hint}?`;
  return new UsageError({ what, why, next: `${commandPath(command)} --help` }, { cause: error });
}

/** The innermost command that was typed: `audit verify`, not `verify`. */
function findCommand(argv: readonly string[], program: Command): Command {
  let command = program;
  for (const word of argv) {
    const inner = command.commands.find((child) => child.name() === word);
    if (inner !== undefined) command = inner;
  }
  return command;
}

function unknownCommandError(what: string, argv: readonly string[], parent: Command): UsageError {
  const names = parent.commands.map((command) => command.name());
  const typed = /'(.*)'/.exec(what)?.[1] ?? argv[0] ?? '';
  const path = commandPath(parent);
  // `platform turn4` lacks the word `sim`: no command is spelled like `turn4`, so the edit distance suggests none.
  const isScenario = parent.parent === null && /^(turn\d+|all)$/.test(typed);
  const guess = isScenario ? `sim ${typed}` : suggestion(typed, names);
  return new UsageError({
    what,
    why: guess === null ? `the commands are ${names.join(', ')}` : `did you mean ${path} ${guess}?`,
    next:
      guess === null ? `${path} --help` : `${path} ${guess}${guess.includes(' ') ? '' : ' --help'}`,
  });
}

const commandPath = (command: Command): string =>
  command.parent === null ? 'platform' : `${commandPath(command.parent)} ${command.name()}`;

function usageOf(command: Command): string {
  return `${commandPath(command)} ${command.usage()}`;
}
