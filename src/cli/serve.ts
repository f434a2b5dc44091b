/**
 * `platform serve`: runs one design, to be tried with curl or a browser. The testbed is that of a run, with less
 * data, so that it starts in seconds.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { designs } from '../services/lineage.ts';
import { metricsSourcesOf } from '../sim/effects/observe/service-metrics.ts';
import type { ExitNotice } from '../sim/effects/process/child-process.ts';
import { describeAddress } from '../sim/effects/testbed/published-addresses.ts';
import type { Testbed } from '../sim/effects/testbed/testbed.ts';
import { EnvironmentError, UsageError } from '../sim/errors.ts';
import { operationsOf } from '../sim/load-kinds.ts';
import type { PlannedArm } from '../sim/plan/plan.ts';
import { resolve } from '../sim/plan/resolve.ts';
import type { Account } from '../sim/pure/load/workload.ts';
import type { Scenario } from '../sim/scenario.ts';
import { suggestion } from '../sim/suggestion.ts';
import { CLIENT, type ModuleStep, type NodeSpec, type Topology } from '../sim/topology.ts';
import { publishTarget } from './audit-target.ts';
import type { CommandContext } from './crash.ts';
import { listenForInterrupts } from './interrupts.ts';
import type { Io, ProcessHooks } from './io.ts';
import { DEFAULT_SEED } from './units.ts';

const STOPPING = 'stopping; press Ctrl-C again to leave at once';
/**
 * Upper limits of the data's parameters: enough rows to page through. Generating a million takes minutes the first time.
 */
const maxServeParams: Readonly<Record<string, number>> = {
  rows: 20_000,
  heavyRows: 2_000,
  users: 200,
  count: 200,
};

export interface ServeDeps {
  readonly scenarios: readonly Scenario[];
  readonly io: Io;
  readonly process: ProcessHooks;
  readonly context: CommandContext;
}

export async function runServe(
  flags: { readonly design?: string; readonly port: number },
  deps: ServeDeps,
): Promise<number> {
  const { io, context } = deps;
  const arm = findArm(flags.design, deps.scenarios);
  await assertPortFree(flags.port);
  const { cleanUpKilledRuns, databaseOf, startTestbed } = await import(
    '../sim/effects/testbed/testbed.ts'
  );
  const { ownerAddress } = await import('../sim/effects/testbed/logins.ts');
  const { DATA_SEED } = await import('../sim/effects/testbed/templates/template-prepare.ts');
  const log = (text: string): void => void io.stderr.write(`${text}\n`);
  const interrupts = listenForInterrupts(deps.process, () => log(STOPPING));
  const { signal } = interrupts;
  const testbedEnd = new DeferredEnd();
  let testbed: Testbed | null = null;
  context.cleanup = async () => testbed?.stop();
  try {
    log(`starting ${arm.design}: PostgreSQL, Redis and the gateway`);
    await cleanUpKilledRuns(log, { ...io.env });
    testbed = await startTestbed({
      runId: `serve-${randomBytes(4).toString('hex')}`,
      topology: shrinkTopology(arm.topology, flags.port),
      seed: DATA_SEED,
      cores: null,
      onNote: log,
      onUnexpectedExit: testbedEnd.resolve,
      signal,
      env: { ...io.env },
    });
    const { stateDirectory } = testbed;
    const database = databaseOf(testbed);
    if (database !== null)
      await publishTarget(testbed.lease, {
        databaseUrl: ownerAddress(database).url,
        stateDirectory,
      });
    io.stdout.write(await formatWelcome(testbed, arm));
    signal.addEventListener('abort', () => testbedEnd.resolve(null), { once: true });
    const notice = signal.aborted ? null : await testbedEnd.promise;
    if (notice !== null) throw processEndedError(notice);
    return 0;
  } catch (error) {
    const code = interrupts.exitCode();
    if (code === null) throw error;
    return code;
  } finally {
    await testbed?.stop();
    context.cleanup = null;
    interrupts.dispose();
  }
}

/** Resolved by Ctrl-C (null), or by a process of the testbed that ends by itself. */
class DeferredEnd {
  resolve: (notice: ExitNotice | null) => void = () => {};
  readonly promise = new Promise<ExitNotice | null>((resolve) => {
    this.resolve = resolve;
  });
}

function findArm(design: string | undefined, scenarios: readonly Scenario[]): PlannedArm {
  const all = scenarios.flatMap(
    (scenario) => resolve(scenario, { quick: true, seed: DEFAULT_SEED }).arms,
  );
  // By default the newest design: the after arm of the last turn.
  const found =
    design === undefined ? all.at(-1) : all.find((arm) => arm.design === design.toLowerCase());
  if (found !== undefined) return found;
  const known = all.map((arm) => arm.design);
  const guess = suggestion(design ?? '', known);
  throw new UsageError({
    what: `there is no design "${design ?? ''}"`,
    why: `${guess === null ? '' : `did you mean ${guess}? `}known: ${known.join(', ')}`,
    next: `platform serve --design ${guess ?? known.at(-1) ?? 'turn4.after'}`,
  });
}

/** The design's topology with little data, one instance of each process, no fault proxies, and the given port. */
function shrinkTopology({ nodes, edges, jobs }: Topology, port: number): Topology {
  const [entryNode] = edges.filter(({ from }) => from === CLIENT).map(({ to }) => to);
  const capParams = <Step extends ModuleStep>(step: Step): Step => ({
    ...step,
    params: Object.fromEntries(
      Object.entries(step.params ?? {}).map(([key, value]) => {
        const cap = maxServeParams[key];
        return [key, typeof value === 'number' && cap !== undefined ? Math.min(value, cap) : value];
      }),
    ),
  });
  const shrinkNode = (name: string, spec: NodeSpec): NodeSpec => {
    if (spec.kind === 'postgres' && spec.template !== undefined)
      return { ...spec, template: spec.template.map(capParams) };
    if (spec.kind !== 'process') return spec;
    const params = name === entryNode ? { ...spec.params, port } : (spec.params ?? {});
    return { ...spec, instances: 1, params };
  };
  const shrunkNodes = Object.entries(nodes).map(
    ([name, spec]) => [name, shrinkNode(name, spec)] as const,
  );
  return {
    nodes: Object.fromEntries(shrunkNodes),
    edges: edges.map((edge) => ({ ...edge, proxied: edge.roundTripMs !== undefined })),
    jobs: jobs.map(capParams),
  };
}

/** The address, a request with valid credentials to paste into a shell, and the addresses of the stores. */
async function formatWelcome(testbed: Testbed, arm: PlannedArm): Promise<string> {
  const accounts = JSON.parse(await readFile(testbed.accountsFile, 'utf8')) as readonly Account[];
  const headers = Object.entries(accounts[0]?.headers ?? {}).map(
    ([name, value]) => `-H '${name}: ${value}'`,
  );
  const readOperation = operationsOf(arm.phases).find(
    ({ method, path }) => method === 'GET' && !path.includes('{'),
  );
  const url = testbed.targets[0]?.url ?? '';
  const rows = [
    ['design', `${arm.design}: ${arm.description}`],
    ['address', url],
    ['try', `curl ${headers.join(' ')} ${url}${readOperation?.path ?? '/'}`],
    ['openapi', `${url}/openapi.json`],
    ['metrics', `${metricsSourcesOf(testbed)[0]?.url ?? url}/metrics`],
    ...[...testbed.nodes.values()]
      .filter(({ kind }) => kind !== 'process')
      .map((node) => [node.name, describeAddress(testbed.lease, node)]),
    ['state', testbed.stateDirectory],
    ...(hasAuditChain(arm.design)
      ? [['verify', 'platform audit verify, in another terminal']]
      : []),
  ];
  return `${rows.map(([name = '', value = '']) => `${name.padEnd(10)}${value}`).join('\n')}\n`;
}

/** Without a hash chain there is nothing to verify. */
const hasAuditChain = (name: string): boolean =>
  designs.some((design) => design.name === name && design.audit.chain.kind !== 'none');

async function assertPortFree(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  } catch (cause) {
    throw new EnvironmentError(
      {
        what: `cannot listen on 127.0.0.1:${port}`,
        why:
          (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
            ? 'another process already listens there'
            : (cause as Error).message,
        next: 'platform serve --port 0, which takes any free port',
      },
      { cause },
    );
  }
}

function processEndedError(notice: ExitNotice): EnvironmentError {
  return new EnvironmentError({
    what: `${notice.name} ended by itself: ${notice.status}`,
    why: notice.lastLines.at(-1) ?? 'its log is empty',
    next: 'platform doctor',
  });
}
