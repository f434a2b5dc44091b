import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openCheckpointFile } from './checkpoint-file.ts';

let root: string;
let file: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'platform-checkpoints-'));
  file = path.join(root, 'audit', 'checkpoints.ndjson');
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function linesOf(name: string, untilByte?: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of openCheckpointFile(name).lines(untilByte)) lines.push(line);
  return lines;
}

it('is empty before its first line, and passes each line to the next append', async () => {
  const checkpoints = openCheckpointFile(file);
  expect([checkpoints.last(), await checkpoints.size(), await linesOf(file)]).toEqual([
    null,
    0,
    [],
  ]);
  for (const expected of [null, 'null+', 'null++'])
    await checkpoints.append((last) => {
      expect(last).toBe(expected);
      return `${last}+`;
    });
  const size = await checkpoints.size();
  await checkpoints.append(() => 'later');
  expect(await linesOf(file, size)).toEqual(['null+', 'null++', 'null+++']);
  expect(await linesOf(file)).toHaveLength(4);
});

it('ignores a partial line after a crash, and removes it before the next', async () => {
  const checkpoints = openCheckpointFile(file);
  await checkpoints.append(() => 'one');
  await appendFile(file, '{"version":1,"at":"2026');
  expect([checkpoints.last(), await linesOf(file)]).toEqual(['one', ['one']]);
  await checkpoints.append((last) => `${last} two`);
  expect(await readFile(file, 'utf8')).toBe('one\none two\n');
});

it('finds the last line whatever its length and whatever follows it', async () => {
  const text = fc.integer({ min: 0, max: 70_000 }).map((length) => 'x'.repeat(length));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 4 }), text, async (lines, torn) => {
      run += 1;
      const name = path.join(root, `${run}`);
      await appendFile(name, lines.map((line) => `${line}\n`).join('') + torn);
      const checkpoints = openCheckpointFile(name);
      expect(checkpoints.last()).toBe(lines.at(-1) ?? null);
      await checkpoints.append((last) => `${last?.length ?? 'none'}`);
      expect(await linesOf(name)).toEqual([...lines, `${lines.at(-1)?.length ?? 'none'}`]);
    }),
    { numRuns: 50 },
  );
});

it('leaves the file alone when there is nothing to append', async () => {
  const checkpoints = openCheckpointFile(file);
  await checkpoints.append(() => 'one');
  await appendFile(file, 'torn');
  const failing = checkpoints.append(() => {
    throw new Error('no key');
  });
  await expect(failing).rejects.toThrow('no key');
  expect(await readFile(file, 'utf8')).toBe('one\ntorn');
});
