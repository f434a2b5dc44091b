/** Commander's complaints in the three-line form: what was wrong, what it takes, what to type. */
import type { Command, CommanderError } from 'commander';
import { UsageError } from '../sim/errors.ts';
import { suggestion } from '../sim/suggestion.ts';

export function usageErrorOf(
  error: CommanderError,
  argv: readonly string[],
  program: Command,
): UsageError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const verb = typedVerb(argv, program);
  const what = first.replace(/[.\s]+$/, '');
  if (error.code === 'commander.unknownCommand') return unknownVerb(what, argv, verb);
  const hint = /\(Did you mean (.*)\?\)/.exec(rest.join(' '))?.[1];
  const why = hint === undefined ? `usage: ${usageOf(verb)}` : `did you mean ${hint}?`;
  return new UsageError({ what, why, next: `${pathOf(verb)} --help` }, { cause: error });
}

/** The innermost verb that was typed: `audit verify`, though `verify` is one as well. */
function typedVerb(argv: readonly string[], program: Command): Command {
  let verb = program;
  for (const word of argv) {
    const inner = verb.commands.find((command) => command.name() === word);
    if (inner !== undefined) verb = inner;
  }
  return verb;
}

function unknownVerb(what: string, argv: readonly string[], parent: Command): UsageError {
  const verbs = parent.commands.map((command) => command.name());
  const typed = /'(.*)'/.exec(what)?.[1] ?? argv[0] ?? '';
  const path = pathOf(parent);
  // `platform turn4` forgets the verb, which no edit distance would find.
  const forgotten = parent.parent === null && /^(turn\d+|all)$/.test(typed);
  const guess = forgotten ? `sim ${typed}` : suggestion(typed, verbs);
  return new UsageError({
    what,
    why: guess === null ? `the verbs are ${verbs.join(', ')}` : `did you mean ${path} ${guess}?`,
    next:
      guess === null ? `${path} --help` : `${path} ${guess}${guess.includes(' ') ? '' : ' --help'}`,
  });
}

const pathOf = (command: Command): string =>
  command.parent === null ? 'platform' : `${pathOf(command.parent)} ${command.name()}`;

function usageOf(command: Command): string {
  return `${pathOf(command)} ${command.usage()}`;
}
