/** Decodes a client's cursor; an invalid one is a 400. */
import { ServiceError } from '../ports.ts';
import { type CursorPosition, decodeCursor } from './policy.ts';

/** `scope`: of the request that the cursor must belong to. */
export function requirePosition(cursor: string, scope = ''): CursorPosition {
  const position = decodeCursor(cursor, scope);
  if (position) return position;
  throw new ServiceError({
    status: 400,
    code: 'invalid-cursor',
    detail: 'The cursor is not one that an earlier page returned.',
  });
}
