/** A population of a fixed size. */
import { mixWords } from '../load-words.ts';
import type { UsersWorkload } from '../pure/workload.ts';
import { workloadKind } from './play-workload.ts';

export const usersLoad = workloadKind<UsersWorkload>({
  kind: 'users',
  words: ({ users, think, operations }, text) =>
    `${users} users who think ${text.length(think.meanMs)} between requests: ${mixWords(operations, text)}.`,
});
