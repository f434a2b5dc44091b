/** One line of `platform doctor`: what was found, whether it suffices, and how to fix it. */
import { OperatorError } from '../../sim/errors.ts';
import { explainForeignError } from '../foreign-errors.ts';

export interface Check {
  readonly id: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** A command, or an instruction if no command helps. Absent when ok. */
  readonly fix?: string;
}

export const ok = (id: string, found: string): Check => ({ id, status: 'ok', found });

export const warn = (id: string, found: string, fix: string): Check => ({
  id,
  status: 'warn',
  found,
  fix,
});

export const fail = (id: string, found: string, fix: string): Check => ({
  id,
  status: 'fail',
  found,
  fix,
});

/** An error that an operator can act on is a failed check; any other is thrown. */
export async function tryCheck(id: string, check: () => Promise<Check>): Promise<Check> {
  try {
    return await check();
  } catch (error) {
    const known = error instanceof OperatorError ? error : explainForeignError(error);
    if (known === null) throw error;
    return fail(id, `${known.what}: ${known.why}`, known.next);
  }
}
