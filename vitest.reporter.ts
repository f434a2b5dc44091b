/**
 * The end of a test run: how to repeat what failed alone, why a test was skipped, and as the last line, in a form any
 * CI can read, `tests: N passed, N failed, N skipped`.
 */
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

/** All but the unit tests start processes of dist/. */
function commandOf({ project: { name }, relativeModuleId }: TestModule): string {
  const build = name === 'unit' ? '' : 'npm run -s build && ';
  return `${build}npx vitest run --project ${name} ${relativeModuleId}`;
}

/** A skip without a note was decided when the test was written. */
function reasonOfSkip(test: TestCase): string[] {
  const result = test.result();
  if (result.state !== 'skipped' || result.note === undefined) return [];
  return [`skipped: ${test.module.relativeModuleId} > ${test.fullName}: ${result.note}`];
}

export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const lines: string[] = [];
    let broken = errors.length;
    for (const module of modules) {
      // A file that could not be loaded has no tests to count, and must not look like nothing.
      if (module.errors().length > 0) broken += 1;
      for (const test of module.children.allTests()) {
        counts[test.result().state] += 1;
        lines.push(...reasonOfSkip(test));
      }
      if (!module.ok()) lines.push(`again: ${commandOf(module)}`);
    }
    const failed = counts.failed + counts.pending + broken;
    lines.push(`tests: ${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
    // After the default reporter's own summary, which is written in the same tick.
    setImmediate(() => void process.stdout.write(`\n${lines.join('\n')}\n`));
  }
}
