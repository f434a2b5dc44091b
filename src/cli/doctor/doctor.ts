/**
 * `platform doctor`: checks whether a run can start on this machine. It leaves nothing running and changes nothing but
 * the cache. Every problem comes with a command to type. Exit 0, or 3 if something that a run needs is missing.
 */

import { describeMachine, type Machine } from '../../sim/effects/observe/machine.ts';
import {
  cacheFolder,
  createTraversableFolder,
  openCache,
} from '../../sim/effects/process/cache.ts';
import { freePort } from '../../sim/effects/process/free-port.ts';
import { cleanUpLeftovers, findLeftovers } from '../../sim/effects/process/leftovers.ts';
import { descriptorLimit } from '../../sim/effects/process/open-descriptors.ts';
import { machinePinPlan } from '../../sim/effects/process/pin-machine.ts';
import { runUser } from '../../sim/effects/process/run-user.ts';
import { freeBytes } from '../../sim/effects/testbed/disk-space.ts';
import {
  listTemplates,
  templatesFolder,
} from '../../sim/effects/testbed/templates/template-store.ts';
import { OperatorError } from '../../sim/errors.ts';
import { exitCodes } from '../../sim/pure/exit-code.ts';
import { probeWritable } from '../finished-run/write-reports.ts';
import { colorText, type Io, supportsColor } from '../io.ts';
import { REPORTS_FOLDER } from '../units.ts';
import { type Check, fail, ok, tryCheck, warn } from './doctor-check.ts';
import { checkMachine, checkNode } from './doctor-machine.ts';
import { checkStores } from './doctor-stores.ts';
import { checkOptionalTools } from './doctor-tools.ts';

export interface DoctorOptions {
  readonly json?: boolean;
  /** Removes what killed runs left behind. */
  readonly clean?: boolean;
  readonly color?: boolean;
}

async function checkLeftovers(cache: string): Promise<Check> {
  const found = await findLeftovers(cache);
  if (found.length === 0) return ok('leftovers', 'none');
  const names = found.map(({ runId, runningChildren }) =>
    runningChildren.length > 0 ? `${runId} (${runningChildren.join(', ')} still running)` : runId,
  );
  const text = `${found.length} killed ${found.length === 1 ? 'run' : 'runs'}: ${names.join(', ')}`;
  return warn('leftovers', text, 'platform doctor --clean');
}

async function checkTemplates(cache: string): Promise<Check> {
  const folder = templatesFolder(cache);
  await createTraversableFolder(folder);
  await probeWritable(folder);
  const templates = await listTemplates(cache);
  if (templates.length === 0) {
    const found = 'no data template yet: the first run of a scenario builds it';
    return warn('templates', found, 'platform setup');
  }
  const megabytes = templates.reduce((sum, template) => sum + template.sizeBytes, 0) / 1024 ** 2;
  return ok('templates', `${templates.length} in ${cache}, ${Math.round(megabytes)} MB`);
}

/** The checks that need the cache; if it cannot be opened, that is the only one reported. */
async function checkWithCache(env: NodeJS.ProcessEnv, machine: Machine): Promise<Check[]> {
  let cache: string;
  try {
    cache = await openCache(runUser(), env);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [fail('cache', `${error.what}: ${error.why}`, error.next)];
  }
  return [
    ...(await checkStores(cache, env)),
    ...checkMachine(machine, {
      canPin: machinePinPlan() !== null,
      platform: process.platform,
      freeBytes: await freeBytes(cache),
      cache,
      descriptors: descriptorLimit(),
      sharedMemoryBytes: await freeBytes('/dev/shm').catch(() => null),
    }),
    await tryCheck('ports', async () => {
      await freePort();
      return ok('ports', 'free ones on 127.0.0.1');
    }),
    await tryCheck('reports', async () => {
      await probeWritable(REPORTS_FOLDER);
      return ok('reports', `${REPORTS_FOLDER} can be written`);
    }),
    await checkLeftovers(cache),
    await tryCheck('templates', () => checkTemplates(cache)),
  ];
}

function renderChecks(checks: readonly Check[], color: boolean): string {
  const tones = { ok: 'good', warn: 'doubt', fail: 'bad' } as const;
  const width = Math.max(...checks.map((check) => check.id.length));
  const mark = (status: Check['status']): string =>
    color ? colorText(status.padEnd(4), tones[status]) : status.padEnd(4);
  return checks
    .flatMap(({ id, status, found, fix }) => [
      `${mark(status)}  ${id.padEnd(width)}  ${found}`,
      ...(fix === undefined ? [] : [`${' '.repeat(width + 8)}fix: ${fix}`]),
    ])
    .join('\n');
}

function summarize(checks: readonly Check[]): string {
  const count = (status: Check['status']) =>
    checks.filter((check) => check.status === status).length;
  if (count('fail') > 0) return `not ready: ${count('fail')} to fix`;
  return count('warn') > 0 ? `ready, ${count('warn')} to look at` : 'ready';
}

export async function runDoctor(io: Io, options: DoctorOptions = {}): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...io.env };
  // Timers and disk are measured first, because the checks below load the machine.
  const machine = await describeMachine(env);
  const cleaned: string[] = [];
  if (options.clean) await cleanUpLeftovers(cacheFolder(env), (note) => cleaned.push(note));
  const checks = [
    checkNode(process.version),
    ...(await checkWithCache(env, machine)),
    ...(await checkOptionalTools(env)),
  ];
  const exitCode = checks.some((check) => check.status === 'fail')
    ? exitCodes.environment
    : exitCodes.pass;
  if (options.json) {
    const schema = 'platform-sim/doctor@1';
    const document = {
      schema,
      ready: exitCode === exitCodes.pass,
      exitCode,
      checks,
      cleaned,
      machine,
    };
    io.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    return exitCode;
  }
  const color = supportsColor(io, io.stdout, options.color ?? true);
  for (const note of cleaned) io.stdout.write(`${note}\n`);
  io.stdout.write(`${renderChecks(checks, color)}\n\n${summarize(checks)}\n`);
  return exitCode;
}
