import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createOutputSearch } from './output-search.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'platform-output-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fresh = (name: string, content?: string): string => {
  const file = path.join(folder, name);
  if (content !== undefined) writeFileSync(file, content);
  return file;
};

it('finds appended text, also in two parts, and no earlier text', () => {
  const log = fresh('old', 'listening on 1\n');
  const contains = createOutputSearch(log, 'listening on');
  expect(contains()).toBe(false);
  appendFileSync(log, 'now liste');
  expect(contains()).toBe(false);
  appendFileSync(log, 'ning on 2\n');
  expect(contains()).toBe(true);
  expect(contains()).toBe(true);
});

it('finds nothing while the file does not exist', () => {
  const log = fresh('late');
  const contains = createOutputSearch(log, 'ready');
  expect(contains()).toBe(false);
  writeFileSync(log, 'ready');
  expect(contains()).toBe(true);
});

it('continues after the log was cut in place', () => {
  const log = fresh('cut', 'x'.repeat(200_000));
  const contains = createOutputSearch(log, 'ready');
  truncateSync(log, 65_536);
  appendFileSync(log, '\nready\n');
  expect(contains()).toBe(true);
});
