/**
 * Detects PostgreSQL messages that COMMIT: a simple query's text, or Parse, Bind and Execute, where the text may have been
 * sent long before under a name. Only names of COMMIT statements are kept.
 */

const MAX_NAMES = 1_000;

/** `END` alone counts; after a semicolon it may end a block in a function's body instead. */
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
    setMember(this.#statements, statement, isCommit(sql));
  }

  bind(portal: string, statement: string): void {
    setMember(this.#portals, portal, this.#statements.has(statement));
  }

  /** True when the executed portal is a COMMIT. */
  execute(portal: string): boolean {
    return this.#portals.has(portal);
  }

  /** `target` as in the protocol: S a statement, P a portal. */
  close(target: string, name: string): void {
    (target === 'S' ? this.#statements : this.#portals).delete(name);
  }
}

function setMember(names: Set<string>, name: string, isMember: boolean): void {
  if (!isMember) names.delete(name);
  else if (names.size < MAX_NAMES) names.add(name);
}
