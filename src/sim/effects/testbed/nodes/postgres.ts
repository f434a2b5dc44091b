/** PostgreSQL: a server of the run on a data template, a streaming standby of one, or the operator's server. */
import type { NodeSpec, PostgresSpec, Topology } from '../../../topology.ts';
import type { NodeKind } from '../node.ts';
import { standbysOf } from '../stores/standbys.ts';
import { settingProblems } from './settings.ts';

const RESERVED_SETTINGS =
  /^(port|listen_addresses|unix_socket_.*|data_directory|(config|hba|ident)_file|external_pid_file|primary_conninfo|primary_slot_name|restore_command|recovery_.*|hot_standby|logging_collector|log_destination|ssl|password_encryption|dynamic_shared_memory_type)$/i;
/** A standby reads the primary's WAL, through one of its sender processes. */
const NEEDED_BY_STANDBYS: Readonly<Record<string, string>> = {
  wal_level: 'minimal',
  max_wal_senders: '0',
};

const isPostgres = (spec: NodeSpec | undefined): spec is PostgresSpec => spec?.kind === 'postgres';

function* problemsOf(name: string, spec: PostgresSpec, topology: Topology): Generator<string> {
  yield* settingProblems(name, spec.settings, RESERVED_SETTINGS);
  if (spec.standbyOf !== undefined) yield* standbyProblems(name, spec, spec.standbyOf, topology);
  const standbys = standbysOf(name, topology);
  if (standbys.length > 0) {
    for (const [setting, value] of Object.entries(NEEDED_BY_STANDBYS)) {
      if (spec.settings?.[setting] === value)
        yield `${name} sets ${setting} to ${value}, but ${standbys[0]} is its standby`;
    }
    if (spec.replaceable === true && spec.standbyOf === undefined)
      yield `${name} is replaceable by DATABASE_URL, but ${standbys[0]} is its standby`;
  }
  if (spec.replaceable === true && firstReplaceable(topology) !== name)
    yield `${name} and ${firstReplaceable(topology)} are both replaceable by DATABASE_URL`;
}

function firstReplaceable(topology: Topology): string | undefined {
  return Object.entries(topology.nodes).find(
    ([, spec]) => isPostgres(spec) && spec.replaceable === true,
  )?.[0];
}

function* standbyProblems(
  name: string,
  spec: PostgresSpec,
  primaryName: string,
  topology: Topology,
): Generator<string> {
  const primary = Object.hasOwn(topology.nodes, primaryName)
    ? topology.nodes[primaryName]
    : undefined;
  if (primaryName === name) yield `${name} is a standby of itself`;
  else if (primary === undefined)
    yield `${name} is a standby of ${primaryName}, which does not exist`;
  else if (!isPostgres(primary))
    yield `${name} is a standby of ${primaryName}, which is not postgres but ${primary.kind}`;
  else if (primary.standbyOf !== undefined)
    yield isInCycle(name, topology)
      ? `${name} is a standby of ${primaryName} in a cycle`
      : `${name} is a standby of ${primaryName}, which is itself a standby`;
  if (spec.template !== undefined && spec.template.length > 0)
    yield `${name} is a standby and has a template, but its data is the primary's`;
  if (spec.replaceable === true)
    yield `${name} is a standby and cannot be replaced by DATABASE_URL`;
}

function isInCycle(name: string, topology: Topology): boolean {
  const passed = new Set<string>();
  let at: string | undefined = name;
  while (at !== undefined && !passed.has(at)) {
    passed.add(at);
    const spec: NodeSpec | undefined = topology.nodes[at];
    at = isPostgres(spec) ? spec.standbyOf : undefined;
  }
  return at === name;
}

export const postgresKind: NodeKind<PostgresSpec> = {
  kind: 'postgres',
  problems: (name, spec, topology) => [...problemsOf(name, spec, topology)],
  members: (name) => [name],
  describe: (_name, { standbyOf }) =>
    standbyOf === undefined ? 'PostgreSQL' : `PostgreSQL, standby of ${standbyOf}`,
  async start(name, spec, context) {
    const { startPostgresNode } = await import('../stores/postgres-node.ts');
    return await startPostgresNode(name, spec, context);
  },
};
