import { describe, expect, it } from 'vitest';
import { parseK6Line } from './k6-output.ts';

const line = (metric: string, data: object) =>
  JSON.stringify({ metric, type: 'Point', data: { tags: {}, value: 1, ...data } });
const answer = (tags: object, time = '2026-11-21T06:34:20.091317907Z') =>
  line('http_req_duration', { time, value: 29.1827, tags, metadata: { op: '7' } });
const T = Date.UTC(2026, 10, 21, 6, 34, 20) * 1_000;

describe('parseK6Line', () => {
  it('parses an answer, to the microsecond', () => {
    expect(parseK6Line(answer({ status: '200' }))).toEqual({
      kind: 'answer',
      op: 7,
      endUs: T + 91_317,
      durationUs: 29_183,
      status: 200,
      error: null,
      sent: true,
    });
  });

  it.each([
    ['2026-11-21T06:34:20Z', T],
    ['2026-11-21T06:34:20.5Z', T + 500_000],
    ['2026-11-21T08:34:20.000001+02:00', T + 1],
  ])('reads the instant %s', (time, endUs) => {
    expect(parseK6Line(answer({ status: '200' }, time))).toMatchObject({ endUs });
  });

  it.each([
    // [k6's tags, status, error, sent]
    [{ status: '503', error_code: '1503' }, 503, null, true],
    [{ status: '0', error_code: '1050', error: 'request timeout' }, 0, 'timeout', true],
    [{ status: '0', error_code: '1212', error: 'dial: refused' }, 0, 'ECONNREFUSED', false],
    [{ status: '0', error_code: '1220', error: 'reset' }, 0, 'ECONNRESET', true],
    [{ status: '0', error_code: '1101', error: 'no such host' }, 0, 'no such host', false],
    [{ status: '0', error_code: '1000', error: 'EOF' }, 0, 'closed by server', true],
  ])('maps the tags %j', (tags, status, error, sent) => {
    expect(parseK6Line(answer(tags))).toMatchObject({ status, error, sent });
  });

  it('parses a captured body and dropped iterations', () => {
    const time = '2026-11-21T06:34:20Z';
    const captured = line('captured', { time, metadata: { op: '3', body: 'x' } });
    expect(parseK6Line(captured)).toEqual({ kind: 'body', op: 3, body: 'x' });
    expect(parseK6Line(line('dropped_iterations', { time, value: 2 }))).toEqual({
      kind: 'dropped',
      count: 2,
      atUs: T,
    });
  });

  it('returns null for any other line', () => {
    const time = '2026-11-21T06:34:20Z';
    expect(parseK6Line(line('http_reqs', { time }))).toBeNull();
    expect(parseK6Line(line('http_req_duration', { time }))).toBeNull(); // the gate's
    expect(parseK6Line('{"type":"Metric","metric":"captured"}')).toBeNull();
    expect(parseK6Line('')).toBeNull();
  });
});

it.each([
  ['dial: socket: too many open files', 'EMFILE'],
  ['dial tcp 127.0.0.1:80: connect: cannot assign requested address', 'EADDRNOTAVAIL'],
])('a limit of its own machine has its name: %s', (error, name) => {
  const data = {
    time: '2026-01-01T00:00:00Z',
    value: 0,
    tags: { error, error_code: '1210', status: '0' },
    metadata: { op: '1' },
  };
  const line = JSON.stringify({ metric: 'http_req_duration', type: 'Point', data });
  expect(parseK6Line(line)).toMatchObject({ error: name, sent: false });
});
