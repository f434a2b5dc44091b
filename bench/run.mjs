/**
 * Runs the benches by name: `npm run bench -- honesty`. Without a name it lists and runs all of them.
 * `--json` prints a JSON document for each bench instead of text, `--quick` shortens the runs and never moves a bound,
 * `--only=<id>,<id>` chooses among the cases of a bench that has some.
 * Exit 0 all within their bounds, 1 one is not, 2 usage. A bench is judged by ratios and closed forms, never by
 * an absolute speed, except where a promise of ours is one (the send lag).
 */
import * as auditArchive from './audit-archive.mjs';
import * as auditChain from './audit-chain.mjs';
import * as auditCost from './audit-cost.mjs';
import * as auditRead from './audit-read.mjs';
import * as checkers from './checkers.mjs';
import * as denials from './denials.mjs';
import * as generators from './generators.mjs';
import * as honesty from './honesty.mjs';
import * as hotPath from './hot-path.mjs';
import * as limiter from './limiter.mjs';
import * as loginStorm from './login-storm.mjs';
import * as planted from './planted.mjs';
import * as proxy from './proxy.mjs';
import * as sender from './sender.mjs';

/** @type {Record<string, { title: string, run: (options: BenchOptions) => Promise<BenchResult> }>} */
const benches = {
  'audit-archive': auditArchive,
  'audit-chain': auditChain,
  'audit-cost': auditCost,
  'audit-read': auditRead,
  checkers,
  denials,
  generators,
  honesty,
  'hot-path': hotPath,
  limiter,
  'login-storm': loginStorm,
  planted,
  proxy,
  sender,
};

/**
 * @typedef {{ quick: boolean, only: string[] | null }} BenchOptions
 * @typedef {{ ok: boolean, lines: string[], data: object }} BenchResult
 */

const ONLY = '--only=';
const args = process.argv.slice(2);
const flags = args.filter((arg) => arg.startsWith('-'));
const names = args.filter((arg) => !arg.startsWith('-'));
const wrong =
  flags.find((flag) => !(['--json', '--quick'].includes(flag) || flag.startsWith(ONLY))) ??
  names.find((name) => !Object.hasOwn(benches, name));

if (wrong !== undefined) {
  console.error(`there is no bench or flag ${wrong}`);
  console.error(
    `benches: ${Object.keys(benches).join(', ')}; flags: --json, --quick, ${ONLY}<id>,<id>`,
  );
  console.error('next: npm run bench -- honesty');
  process.exitCode = 2;
} else {
  await runAll(names.length === 0 ? Object.keys(benches) : names);
}

/** @param {string[]} chosen */
async function runAll(chosen) {
  const only =
    flags
      .find((flag) => flag.startsWith(ONLY))
      ?.slice(ONLY.length)
      .split(',') ?? null;
  const json = flags.includes('--json');
  if (names.length === 0 && !json) {
    for (const name of chosen) console.log(`${name.padEnd(15)}${benches[name].title}`);
    console.log();
  }
  for (const name of chosen) {
    const { ok, lines, data } = await benches[name].run({ quick: flags.includes('--quick'), only });
    if (!ok) process.exitCode = 1;
    console.log(
      json
        ? JSON.stringify({ bench: name, ok, ...data }, null, 2)
        : [name, ...lines, ok ? 'within bounds' : 'OUT OF BOUNDS', ''].join('\n'),
    );
  }
}
