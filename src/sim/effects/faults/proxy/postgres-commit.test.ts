import { expect, it } from 'vitest';
import { isCommit } from './postgres-commit.ts';

it.each([
  'COMMIT',
  ' commit ; ',
  'COMMIT WORK',
  'commit transaction and chain',
  'END',
  'end transaction;',
  '/* request 7 */ COMMIT',
  'INSERT INTO t VALUES (1); COMMIT',
])('%j commits', (sql) => expect(isCommit(sql)).toBe(true));

it.each([
  '',
  'SELECT commit FROM t',
  'COMMIT PREPARED $1',
  'ROLLBACK',
  'COMMITTED',
  'DO $$ BEGIN PERFORM 1; END $$',
  'SELECT CASE WHEN true THEN 1 END',
])('%j does not', (sql) => expect(isCommit(sql)).toBe(false));
