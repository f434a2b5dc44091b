/**
 * Defects of the kill matrices, planted one at a time in the gateways of a real `platform sim <scenario> --quick`: the arm
 * `after` must fail by the invariant that the defect names. `--only=<id>,<id>` runs some, `--quick` one of each matrix.
 * Each run takes half a minute; all of them more than half an hour.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const title = 'planted defects in whole quick runs: each caught by the invariant it names';

const RUN_WITHIN_MS = 240_000;
const cli = fileURLToPath(new URL('../bin/platform.js', import.meta.url));
const scenarioFile = fileURLToPath(new URL('planted-scenario.mjs', import.meta.url));
const fixtures = '../src/scenarios/kill-matrix/fixtures';
/** Inside the project, so that packages are found from there. */
const compiledFolder = fileURLToPath(
  new URL('../node_modules/.cache/planted/dist', import.meta.url),
);
const compiled = `${pathToFileURL(compiledFolder).href}/`;
/** Where the defects of the tests are declared. */
const SOURCES = [
  'services/gateway/fixtures/session-defects',
  'services/gateway/audit/fixtures/audit-field-defects',
  'services/gateway/audit/fixtures/audit-record-defects',
  'services/gateway/audit/fixtures/audit-denial-defects',
  'scenarios/kill-matrix/fixtures/limit-level-defects',
];

const inGateway = (matrix, scenario) => (defect) => ({
  ...defect,
  matrix,
  scenario,
  module: 'planted-gateway.mjs',
  params: { plant: { matrix, id: defect.id }, compiled },
});

/**
 * Those of the matrices that no quick run shows: they need parts that processes share, a pause inside a race, one gateway
 * alone that does not reach Redis or PostgreSQL, a session that idles for half an hour, 10,000 events, a full line for hashing,
 * or somebody else who writes to Redis.
 */
const NOT_IN_A_QUICK_RUN = new Set([
  ...['one-process-not-told', 'all-misses-other-caches', 'stale-replica'],
  ...['touch-rewrites-copy', 'populate-overtaken', 'joined-reads', 'revoke-all-misses-login'],
  ...['fence-without-wait', 'fence-ignores-silent', 'newest-generation-only'],
  ...['touch-stamped-late', 'use-restarts-nothing', 'dropped-row'],
  ...['mac-not-compared', 'unavailable-not-refunded'],
]);

/** The compiler's program, because gateways run without one. */
async function compileDefects() {
  const at = (file) => fileURLToPath(new URL(`../${file}`, import.meta.url));
  const { exitCode, output } = await runProcess([
    at('node_modules/typescript/bin/tsc'),
    ...['--ignoreConfig', '--outDir', compiledFolder, '--rootDir', at('src')],
    ...[
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--skipLibCheck',
      '--noCheck',
      '--types',
      'node',
    ],
    ...['--rewriteRelativeImportExtensions'],
    ...SOURCES.map((source) => at(`src/${source}.ts`)),
  ]);
  if (exitCode !== 0) throw new Error(`the planted defects do not compile:\n${output}`);
  // Compiled modules look for scripts in src/ beside their folder.
  const beside = path.join(compiledFolder, '../src');
  await rm(beside, { force: true });
  await symlink(at('src'), beside);
}

const REMEMBERED = new Set(['remembered-secret-not-compared', 'limiter-trusts-memory']);

async function allDefects() {
  await compileDefects();
  const [sessions, fields, records, denials, limits] = await Promise.all(
    SOURCES.map((source) => import(`${compiled}${source}.js`)),
  );
  const { sessionDefects } = sessions;
  const { fieldDefects } = fields;
  const { recordDefects } = records;
  const { levelDefects, outageDefects, shareDefects } = limits;
  return [
    ...sessionDefects
      .filter(({ id }) => !NOT_IN_A_QUICK_RUN.has(id))
      .map((defect) => inGateway('sessions', scenarioOf(defect))(defect)),
    ...fieldDefects
      .filter(({ id, event }) => event && !NOT_IN_A_QUICK_RUN.has(id))
      .map(inGateway('audit-fields', 'turn3')),
    ...denials.denialDefects.map(inGateway('audit-denials', 'turn3')),
    ...recordDefects.filter(isInGateway).map(inGateway('audit', 'turn3')),
    ...[...levelDefects, ...outageDefects]
      .filter(({ id }) => !NOT_IN_A_QUICK_RUN.has(id))
      .map(inGateway('limit-levels', 'turn2')),
    ...shareDefects.map(inGateway('limit-levels', 'turn5')),
    ...Object.entries(LEAKS).flatMap(([scenario, leaks]) => leaks.map(leakingGateway(scenario))),
    ...WRONG_PAGES.map(wrongPages),
  ];
}

/** Where requests have limits, a process remembers sessions and asks the limiter whether they live. */
const scenarioOf = ({ id }) => (REMEMBERED.has(id) ? 'turn2' : 'turn1');

/** A part of the log that a gateway has, too. */
function isInGateway({ id, parts }) {
  const { event, insert, writer } = parts?.() ?? {};
  return !NOT_IN_A_QUICK_RUN.has(id) && Boolean(event ?? insert ?? writer);
}

/** By scenario: where no fault of the run closes what was kept. */
const LEAKS = {
  turn1: ['socket', 'file'],
  turn5: ['pool-connection', 'transaction', 'unlisted-connection', 'redis-client'],
};
const leakingGateway = (scenario) => (leak) => ({
  id: leak,
  what: 'kept by one of the gateways',
  caughtBy: 'at-rest',
  matrix: 'rest',
  scenario,
  module: `${fixtures}/leaky-gateway.mjs`,
  params: { leaks: { 'gateway.1': leak } },
});
const WRONG_PAGES = ['stale', 'collision'];
const wrongPages = (page) => ({
  id: page,
  what: 'a wrong page of recent activity',
  caughtBy: 'activity-correct',
  matrix: 'activity',
  scenario: 'turn4',
  module: `${fixtures}/wrong-activity-gateway.mjs`,
  params: { activity: { 'gateway.1': page, gateway: page } },
});

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick, only }) {
  const all = await allDefects();
  const unknown = only?.find((id) => !all.some((defect) => defect.id === id));
  if (unknown) throw new Error(`no planted defect is called '${unknown}'`);
  const firsts = all.filter(
    ({ matrix }, index) => all.findIndex((one) => one.matrix === matrix) === index,
  );
  const chosen = only ? all.filter(({ id }) => only.includes(id)) : quick ? firsts : all;
  const results = [];
  for (const defect of chosen) {
    const result = await runPlanted(defect);
    console.error(lineOf(result));
    results.push(result);
  }
  const missed = results.filter(({ caught }) => !caught);
  return {
    ok: missed.length === 0,
    lines: [
      ...results.map(lineOf),
      `${results.length - missed.length} of ${results.length} caught in a quick run`,
    ],
    data: { results },
  };
}

function lineOf({ id, scenario, caughtBy, caught, exitCode, verdict, reason, failed, seconds }) {
  const others = failed.filter((one) => one !== caughtBy);
  const also = others.length > 0 ? `; also ${others.join(', ')}` : '';
  const why = caught || reason === undefined ? '' : ` (${reason})`;
  const outcome = `${caughtBy}: ${verdict}${why}; exit ${exitCode}, ${seconds} s${also}`;
  return `  ${caught ? 'caught' : 'MISSED'}  ${scenario}  ${id.padEnd(26)} ${outcome}`;
}

async function runPlanted(defect) {
  const folder = await mkdtemp(path.join(tmpdir(), 'platform-planted-'));
  const startedMs = performance.now();
  try {
    const { scenario, module, params } = defect;
    const args = [
      cli,
      'sim',
      scenarioFile,
      ...['--quick', '--design', 'after'],
      '--quiet',
      '--out',
      folder,
      '--format',
      'json',
    ];
    const env = { ...process.env, PLATFORM_PLANTED: JSON.stringify({ scenario, module, params }) };
    const { exitCode, output } = await runProcess(args, env);
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    const result = await readResult(folder);
    if (result === null) throw new Error(`${defect.id} left no result:\n${output}`);
    const { invariants } = result.arms.after;
    const { verdict, reason } = invariants.find(({ id }) => id === defect.caughtBy);
    const failed = invariants.filter((one) => one.verdict === 'fail').map(({ id }) => id);
    const { id, what, matrix, caughtBy } = defect;
    const caught = verdict === 'fail';
    return {
      id,
      what,
      matrix,
      scenario,
      caughtBy,
      caught,
      exitCode,
      verdict,
      reason,
      failed,
      seconds,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runProcess(args, env) {
  return new Promise((resolve) => {
    const options = { env, timeout: RUN_WITHIN_MS, maxBuffer: 16_000_000 };
    execFile(process.execPath, args, options, (error, stdout, stderr) =>
      resolve({ exitCode: error ? (error.code ?? error.signal) : 0, output: `${stdout}${stderr}` }),
    );
  });
}

async function readResult(folder) {
  const names = await readdir(folder, { recursive: true });
  const file = names.find((name) => /result\.json$/.test(name) && !name.includes('latest'));
  return file ? JSON.parse(await readFile(path.join(folder, file), 'utf8')) : null;
}
