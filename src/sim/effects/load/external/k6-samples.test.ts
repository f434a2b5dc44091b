// The live line on the k6 road, from a file as k6 writes it, without k6.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PlannedRequest } from '../engine/request-plan.ts';
import { ExternalRecorder } from './external-recorder.ts';
import { K6Samples } from './k6-samples.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'k6-samples-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const time = '2026-11-21T06:34:20Z';
const point = (metric: string, data: object) =>
  `${JSON.stringify({ metric, type: 'Point', data: { time, tags: {}, value: 1, ...data } })}\n`;
const answered = (op: number, tags: object) =>
  point('http_req_duration', { value: 2, tags, metadata: { op: String(op) } });

it('shows errors and dropped arrivals while k6 runs, and records each of them once', async () => {
  const file = path.join(folder, 'samples.json');
  writeFileSync(file, '');
  let nowUs = 0;
  const recorder = new ExternalRecorder(path.join(folder, 'history.gz'), () => nowUs);
  const plan = Array.from({ length: 8 }, (_, id) => {
    const named = { id, name: 'get', user: '1', requestId: `r${id}`, nominalUs: id * 1_000 };
    return { ...named, capture: false } as unknown as PlannedRequest;
  });
  recorder.beginLoad('load', plan, 0);
  const samples = new K6Samples(file, plan, recorder);
  samples.begin({ startedUs: 0, wallShiftUs: Date.parse(time) * 1_000 });
  appendFileSync(file, answered(0, { status: '200' }) + answered(1, { status: '503' }));
  appendFileSync(file, answered(2, { status: '0', error_code: '1212' }));
  appendFileSync(file, point('dropped_iterations', { value: 3 }));
  samples.read();
  nowUs = 1_000_000;
  expect(recorder.progress()).toMatchObject({ errors: 5, offeredPerSecond: 6, inFlight: 0 });
  samples.end(nowUs);
  await recorder.finishLoad();
  expect(recorder.totals()).toMatchObject({ recorded: 6, completed: 2 });
  samples.close();
  await recorder.close();
});
