/** One line of `platform doctor`: what was found, whether it suffices, and how to fix it. */
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
