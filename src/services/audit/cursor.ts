/** A cursor from outside, or the problem that names it. */
import { ServiceError } from '../ports.ts';
import { decodeCursor, type Position } from './policy.ts';

/** `scope`: of the question the cursor must have been made for. */
export function requirePosition(cursor: string, scope = ''): Position {
  const position = decodeCursor(cursor, scope);
  if (position) return position;
  throw new ServiceError({
    status: 400,
    code: 'invalid-cursor',
    detail: 'The cursor is not one that an earlier page returned.',
  });
}
