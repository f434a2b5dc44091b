/** Who may read the log of the platform itself: the one place to change when there is a role for it. */
import type { UserStore } from '../sessions/contract.ts';

/** Not cached: a revoked role takes effect at once. */
export const isPlatformOperator = async (
  users: Pick<UserStore, 'findCredentials'>,
  userId: string,
): Promise<boolean> => (await users.findCredentials(userId))?.role === 'administrator';
