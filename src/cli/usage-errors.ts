/** Commander's complaints in the three-line form: what was wrong, what it takes, what to type. */
import type { Command, CommanderError } from 'commander';
import { UsageError } from '../sim/errors.ts';
import { suggestion } from './suggestion.ts';

export function usageErrorOf(
  error: CommanderError,
  argv: readonly string[],
  program: Command,
): UsageError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const verb = program.commands.find((command) => argv.includes(command.name()));
  const help = verb === undefined ? 'platform --help' : `platform ${verb.name()} --help`;
  const what = first.replace(/[.\s]+$/, '');
  if (error.code === 'commander.unknownCommand') return unknownVerb(what, argv, program);
  const hint = /\(Did you mean (.*)\?\)/.exec(rest.join(' '))?.[1];
  const why =
    hint === undefined ? `usage: platform ${usageOf(verb ?? program)}` : `did you mean ${hint}?`;
  return new UsageError({ what, why, next: help }, { cause: error });
}

function unknownVerb(what: string, argv: readonly string[], program: Command): UsageError {
  const verbs = program.commands.map((command) => command.name());
  const typed = /'(.*)'/.exec(what)?.[1] ?? argv[0] ?? '';
  // `platform turn4` forgets the verb, which no edit distance would find.
  const guess = /^(turn\d+|all)$/.test(typed) ? `sim ${typed}` : suggestion(typed, verbs);
  return new UsageError({
    what,
    why: guess === null ? `the verbs are ${verbs.join(', ')}` : `did you mean platform ${guess}?`,
    next:
      guess === null
        ? 'platform --help'
        : `platform ${guess}${guess.includes(' ') ? '' : ' --help'}`,
  });
}

function usageOf(command: Command): string {
  const name = command.parent === null ? '' : `${command.name()} `;
  return `${name}${command.usage()}`;
}
