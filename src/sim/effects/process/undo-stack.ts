/**
 * A stack of undo steps. unwind() runs all of them, last first, also after a failure, and reports every failure at the
 * end. A second call waits for the first.
 */
import { isPortOpen } from './free-port.ts';

export interface StoppableServer {
  readonly port: number;
  stop(): Promise<void>;
}

async function stopServer(server: StoppableServer): Promise<void> {
  await server.stop();
  if (await isPortOpen(server.port)) throw new Error(`port ${server.port} is still open`);
}

export class UndoStack {
  readonly #steps: { name: string; run: () => Promise<void> }[] = [];
  #running: Promise<void> | null = null;

  add(name: string, run: () => Promise<void>): void {
    this.#steps.push({ name, run });
  }

  /** Stops servers, all at once, then checks that their ports are closed. */
  addServers(name: string, servers: readonly StoppableServer[]): void {
    this.add(name, async () => {
      const stops = await Promise.allSettled(servers.map(stopServer));
      const failures = stops.flatMap((stop) => (stop.status === 'rejected' ? [stop.reason] : []));
      if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '));
    });
  }

  unwind(): Promise<void> {
    this.#running ??= this.#unwindAll();
    return this.#running;
  }

  async #unwindAll(): Promise<void> {
    const failures: Error[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.run();
      } catch (cause) {
        failures.push(new Error(`${step.name}: ${(cause as Error).message}`, { cause }));
      }
    }
    if (failures.length === 0) return;
    const summary = failures.map((failure) => failure.message).join('; ');
    throw new AggregateError(failures, `the testbed did not stop cleanly: ${summary}`);
  }
}
