#!/usr/bin/env node
// The composition root: hands the scenarios, the engine and argv to the command line, sets the exit code.
import { processIo } from '../dist/cli/io.js';
import { runCli } from '../dist/cli/run-cli.js';
import { scenarios } from '../dist/scenarios/index.js';
import { removeForeignVariables } from '../dist/sim/effects/process/environment.js';

removeForeignVariables(process.env);

// The engine brings the database drivers; help, list and explain answer without loading it.
const runScenario = async (options) => (await import('../dist/sim/run.js')).runScenario(options);

process.exitCode = await runCli(process.argv.slice(2), {
  scenarios,
  runScenario,
  io: processIo(process),
  process,
});

// Everything has been stopped by now; a handle that was forgotten must not hold the exit code back.
setTimeout(() => process.exit(), 5_000).unref();
