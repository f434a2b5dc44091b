import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { onceClosed } from './request-limits.ts';

/** A response is a stream that closes once, whichever way it ends. */
const response = () => new Writable({ write: (_chunk, _encoding, done) => done() });
const closed = (stream: Writable) => new Promise((resolve) => stream.once('close', resolve));
type Response = Parameters<typeof onceClosed>[0];

describe('the callback of a response', () => {
  it.each([
    ['sent', (stream: Writable) => void stream.end('done')],
    ['cut off', (stream: Writable) => void stream.destroy()],
    ['cut off after it was sent', (stream: Writable) => void stream.end('done').destroy()],
  ])('runs once when it was %s', async (_how, finish) => {
    const stream = response();
    let times = 0;
    onceClosed(stream as unknown as Response, async () => {
      times += 1;
    });
    expect(times).toBe(0);
    finish(stream);
    await closed(stream);
    expect(times).toBe(1);
  });

  it('runs at once when the response is closed already', async () => {
    const stream = response().destroy();
    await closed(stream);
    let times = 0;
    onceClosed(stream as unknown as Response, async () => {
      times += 1;
    });
    expect(times).toBe(1);
  });
});
