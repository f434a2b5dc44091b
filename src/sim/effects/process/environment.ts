/**
 * Variables of the operator's shell. Those that libraries of ours read behind our back (node-postgres, Node itself, a
 * debug print) must change neither this process nor what it starts: a measurement would depend on the shell it was
 * typed in, and a `PGSSLMODE=require` would have our own server refused. A service of the operator's own keeps them.
 */
/** What this process itself must not read. */
const FOREIGN_HERE = /^(?:PG[A-Z]|NODE_PG_FORCE_NATIVE$)/;
/** What a process that it starts must not read either. Certificates stay: an operator's server may need them. */
const FOREIGN_TO_OURS = /^(?:PG[A-Z]|NODE_(?!EXTRA_CA_CERTS$)|UV_|REDISCLI_|DEBUG$)/;

const removed: Record<string, string> = {};

/** Call it before a database driver is loaded. */
export function removeForeignVariables(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env)) {
    if (!FOREIGN_HERE.test(name) || value === undefined) continue;
    removed[name] = value;
    delete env[name];
  }
}

/** The operator's shell as it was, for commands of theirs. */
export function shellEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, ...removed };
}

/** For processes of ours. */
export function ownEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !FOREIGN_TO_OURS.test(name)));
}
