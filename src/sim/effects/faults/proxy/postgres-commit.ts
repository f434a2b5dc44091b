/**
 * Which PostgreSQL messages ask for a COMMIT: the text of a simple query, or Parse, Bind and Execute, where the
 * text may have been sent long before under a name. Only names that stand for a COMMIT are kept.
 */

const MAX_NAMES = 1_000;

/** `END` alone counts too; after a semicolon it may as well end a block in a function's body. */
export function isCommit(sql: string): boolean {
  const text = sql.replace(/\/\*[\s\S]{0,1000}?\*\//g, ' ');
  return (
    /(?:^|;)\s*COMMIT(?=\s|;|$)(?!\s+PREPARED\b)/i.test(text) ||
    /^\s*END(?:\s+(?:WORK|TRANSACTION))?\s*;?\s*$/i.test(text)
  );
}

export class CommitTracker {
  readonly #statements = new Set<string>();
  readonly #portals = new Set<string>();

  parse(statement: string, sql: string): void {
    mark(this.#statements, statement, isCommit(sql));
  }

  bind(portal: string, statement: string): void {
    mark(this.#portals, portal, this.#statements.has(statement));
  }

  /** Is it a COMMIT that is executed? */
  execute(portal: string): boolean {
    return this.#portals.has(portal);
  }

  /** `target` as in the protocol: S a statement, P a portal. */
  close(target: string, name: string): void {
    (target === 'S' ? this.#statements : this.#portals).delete(name);
  }
}

function mark(names: Set<string>, name: string, present: boolean): void {
  if (!present) names.delete(name);
  else if (names.size < MAX_NAMES) names.add(name);
}
