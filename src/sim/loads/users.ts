/** A population of a fixed size. */

import type { UsersWorkload } from '../pure/load/workload.ts';
import { describeMix } from './describe-mix.ts';
import { workloadKind } from './play-workload.ts';

export const usersLoad = workloadKind<UsersWorkload>({
  kind: 'users',
  describe: ({ users, think, operations }, text) =>
    `${users} users who think ${text.duration(think.meanMs)} between requests: ${describeMix(operations, text)}.`,
});
