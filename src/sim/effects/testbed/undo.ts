/**
 * A stack of undo steps. Running it goes backwards through all of them, does not stop at a failure, and reports
 * every failure at the end. A second call waits for the first.
 */
import type { Child } from './child-process.ts';
import { isPortOpen } from './free-port.ts';

export class Undo {
  readonly #steps: { name: string; run: () => Promise<void> }[] = [];
  #running: Promise<void> | null = null;

  add(name: string, run: () => Promise<void>): void {
    this.#steps.push({ name, run });
  }

  /** Stops a child, then proves that nobody listens on its port any more. */
  addServer(name: string, child: Child, port: number): void {
    this.add(name, async () => {
      await child.stop();
      if (await isPortOpen(port)) throw new Error(`port ${port} is still open`);
    });
  }

  run(): Promise<void> {
    this.#running ??= this.#unwind();
    return this.#running;
  }

  async #unwind(): Promise<void> {
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
