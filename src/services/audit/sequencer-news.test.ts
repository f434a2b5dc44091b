import { describe, expect, it } from 'vitest';
import { createNews, errorOf } from './sequencer-news.ts';
import type { SequencerNews } from './sequencer-protocol.ts';

/** A channel whose messages are taken when the test says so. */
function channel() {
  const sent: SequencerNews[] = [];
  const taken: (() => void)[] = [];
  const news = createNews((said, done) => {
    // As it arrives on the other side.
    sent.push(JSON.parse(JSON.stringify(said)));
    taken.push(done);
  });
  return { news, sent, take: () => taken.shift()?.() };
}

describe('what the sequencer process has to tell', () => {
  it('is told at once, and one message at a time', () => {
    const { news, sent, take } = channel();
    news.sequenced(3, 0.5);
    news.sequenced(4, 2);
    news.sequenced(5, 1);
    news.beat();
    expect(sent).toEqual([{ sequenced: { records: 3, oldestSeconds: 0.5 }, errors: [] }]);
    take();
    expect(sent.slice(1)).toEqual([{ sequenced: { records: 9, oldestSeconds: 2 }, errors: [] }]);
    take();
    expect(sent).toHaveLength(2);
    news.beat();
    expect(sent.slice(2)).toEqual([{ sequenced: null, errors: [] }]);
  });

  it('tells of a wait of records that cannot be chained yet', () => {
    const { news, sent } = channel();
    news.sequenced(0, 7);
    expect(sent[0]!.sequenced).toEqual({ records: 0, oldestSeconds: 7 });
  });

  it('carries an error with its stack and its cause', () => {
    const { news, sent } = channel();
    const error = new Error('no checkpoint', { cause: new Error('disk full') });
    news.report(error);
    const heard = errorOf(sent[0]!.errors[0]!);
    expect(heard).toEqual(error);
    expect(heard.stack).toBe(error.stack);
    expect(heard.cause).toEqual(new Error('disk full'));
    expect(errorOf({ message: 'bare', stack: null, cause: null }).cause).toBeUndefined();
  });

  it('takes no more memory however long nobody listens', () => {
    const { news, sent, take } = channel();
    news.beat();
    for (let n = 0; n < 10_000; n += 1) {
      news.sequenced(1, 1);
      news.report(new Error(`${n}`));
    }
    take();
    expect(sent).toHaveLength(2);
    expect(sent[1]!.sequenced?.records).toBe(10_000);
    expect(sent[1]!.errors).toHaveLength(20);
  });

  it('is all told before the end', async () => {
    const { news, sent, take } = channel();
    await news.told();
    news.sequenced(1, 1);
    news.sequenced(2, 1);
    let isTold = false;
    const told = news.told().then(() => {
      isTold = true;
    });
    take();
    await Promise.resolve();
    expect([sent.length, isTold]).toEqual([2, false]);
    take();
    await told;
  });
});
