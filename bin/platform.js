#!/usr/bin/env node
// The composition root: hands the scenarios, the engine and argv to the command line, sets the exit code.
import { existsSync } from 'node:fs';

const built = (file) => new URL(`../dist/${file}`, import.meta.url);
if (!existsSync(built('cli/run-cli.js'))) {
  process.stderr.write(
    'platform is not built: run `npm ci --include=dev && npm run build` in its checkout\n',
  );
  process.exit(3);
}
const { processIo } = await import(built('cli/io.js'));
const { runCli } = await import(built('cli/run-cli.js'));
const { scenarios } = await import(built('scenarios/index.js'));
const { removeForeignVariables } = await import(built('sim/effects/process/environment.js'));

removeForeignVariables(process.env);

// The engine brings the database drivers; help, list and explain answer without loading it.
const runScenario = async (options) => (await import(built('sim/run.js'))).runScenario(options);

process.exitCode = await runCli(process.argv.slice(2), {
  scenarios,
  runScenario,
  io: processIo(process),
  process,
});

// Everything has been stopped by now; a handle that was forgotten must not hold the exit code back.
setTimeout(() => process.exit(), 5_000).unref();
