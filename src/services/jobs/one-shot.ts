/** Runs a one-shot process: exit 0 when done, else the reason on stderr and exit 1. */
import { type ProcessConfig, parseProcessConfig } from '../gateway/process-config.ts';

export async function runOneShot(
  work: (config: ProcessConfig) => Promise<void>,
  stores: { readonly hasDatabase?: boolean } = {},
): Promise<void> {
  // Nothing outlives a killed parent; Node keeps a child alive without its channel otherwise.
  process.once('disconnect', () => process.exit(1));
  try {
    await work(parseProcessConfig(process.env.PLATFORM_PROCESS, stores));
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${(error as Error).stack ?? String(error)}\n`);
    process.exit(1);
  }
}
