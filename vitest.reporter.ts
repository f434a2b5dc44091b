/** Last line of a test run, in a form any CI can read: `tests: N passed, N failed, N skipped`. */
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    let broken = errors.length;
    for (const module of modules) {
      // A file that could not be loaded has no tests to count, and must not look like nothing.
      if (module.errors().length > 0) broken += 1;
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
    }
    const failed = counts.failed + counts.pending + broken;
    // After the default reporter's own summary, which is written in the same tick.
    setImmediate(() => {
      process.stdout.write(
        `\ntests: ${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped\n`,
      );
    });
  }
}
