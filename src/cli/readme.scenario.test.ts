// The README's scenario of your own, run as the README says.
import { describe, it } from 'vitest';
import { createTestCache } from './fixtures/own-cache.ts';
import { repeatUntilProven } from './fixtures/proven-runs.ts';
import { readmeExampleCommand, writeReadmeExample } from './fixtures/readme-example.ts';

const { platform } = createTestCache('readme');

describe("the README's scenario of your own", () => {
  it('passes as it is written: exit 0', async (context) => {
    const example = writeReadmeExample();
    try {
      const [verb = '', , ...flags] = readmeExampleCommand();
      await repeatUntilProven(context, [example.file], { exitCode: 0 }, ([file = '']) =>
        platform([verb, file, ...flags, '--json']),
      );
    } finally {
      example.remove();
    }
  });
});
