/**
 * Compares alternatives to one part of a design: after the arms, a process named by the scenario gets a Redis of its
 * own and writes a Comparison. Its testbed is always removed.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { startTestbed } from '../effects/testbed/testbed.ts';
import type { Comparison } from '../result.ts';
import type { ModuleStep } from '../topology.ts';

const LIMIT_MS = 600_000;

export interface ComparisonOptions {
  readonly spec: ModuleStep;
  readonly runId: string;
  readonly logFolder: string;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onNote: (text: string) => void;
  readonly env?: NodeJS.ProcessEnv;
}

export async function runComparison(options: ComparisonOptions): Promise<Comparison> {
  const { spec, onNote } = options;
  const testbed = await startTestbed({
    ...options,
    cores: null,
    topology: {
      nodes: { redis: { kind: 'redis', replaceable: true } },
      edges: [],
      jobs: [{ ...spec, role: 'facts', uses: { redis: 'redis' }, limitMs: LIMIT_MS }],
    },
  });
  try {
    const outFile = path.join(testbed.stateDirectory, 'comparison.json');
    await testbed.runJob('facts', { outFile });
    return parseComparison(await readFile(outFile, 'utf8'), spec.module);
  } finally {
    await testbed
      .stop()
      .catch((failure: Error) => onNote(`after the comparison: ${failure.message}`));
  }
}

function parseComparison(text: string, module: string): Comparison {
  const value = JSON.parse(text) as Comparison;
  const column = value.columns?.find(({ id }) => id === value.chart?.column);
  if (column === undefined || !Array.isArray(value.rows) || value.rows.length === 0)
    throw new Error(`${module} wrote no comparison: it lacks rows, or the column of its chart`);
  return value;
}
