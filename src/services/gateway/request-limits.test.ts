import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { whenGone } from './request-limits.ts';

/** A response is a stream that closes once, whichever way it ends. */
const response = () => new Writable({ write: (_chunk, _encoding, done) => done() });
const closed = (stream: Writable) => new Promise((resolve) => stream.once('close', resolve));
type Gone = Parameters<typeof whenGone>[0];

describe('what goes back when a request is over', () => {
  it.each([
    ['answered', (stream: Writable) => void stream.end('done')],
    ['cut off', (stream: Writable) => void stream.destroy()],
    ['cut off after it was answered', (stream: Writable) => void stream.end('done').destroy()],
  ])('goes back once when it was %s', async (_how, finish) => {
    const stream = response();
    let times = 0;
    whenGone(stream as unknown as Gone, async () => {
      times += 1;
    });
    expect(times).toBe(0);
    finish(stream);
    await closed(stream);
    expect(times).toBe(1);
  });

  it('goes back at once when the client went while we were asking', async () => {
    const stream = response().destroy();
    await closed(stream);
    let times = 0;
    whenGone(stream as unknown as Gone, async () => {
      times += 1;
    });
    expect(times).toBe(1);
  });
});
