import { describe, expect, it } from 'vitest';
import type { SequencerStatus } from './sequencer-protocol.ts';
import { createStatusChannel, deserializeError } from './sequencer-status.ts';

/** A channel whose messages are acknowledged by the test. */
function createTestChannel() {
  const sent: SequencerStatus[] = [];
  const callbacks: (() => void)[] = [];
  const status = createStatusChannel((message, onSent) => {
    // As the other process receives it.
    sent.push(JSON.parse(JSON.stringify(message)));
    callbacks.push(onSent);
  });
  return { status, sent, acknowledge: () => callbacks.shift()?.() };
}

describe('the status channel of the sequencer process', () => {
  it('sends at once, and one message at a time', () => {
    const { status, sent, acknowledge } = createTestChannel();
    status.onSequenced(3, 0.5);
    status.onSequenced(4, 2);
    status.onSequenced(5, 1);
    status.heartbeat();
    expect(sent).toEqual([{ sequenced: { records: 3, oldestSeconds: 0.5 }, errors: [] }]);
    acknowledge();
    expect(sent.slice(1)).toEqual([{ sequenced: { records: 9, oldestSeconds: 2 }, errors: [] }]);
    acknowledge();
    expect(sent).toHaveLength(2);
    status.heartbeat();
    expect(sent.slice(2)).toEqual([{ sequenced: null, errors: [] }]);
  });

  it('reports the wait of records that cannot be chained yet', () => {
    const { status, sent } = createTestChannel();
    status.onSequenced(0, 7);
    expect(sent[0]!.sequenced).toEqual({ records: 0, oldestSeconds: 7 });
  });

  it('carries an error with its stack and its cause', () => {
    const { status, sent } = createTestChannel();
    const error = new Error('no checkpoint', { cause: new Error('disk full') });
    status.onError(error);
    const received = deserializeError(sent[0]!.errors[0]!);
    expect(received).toEqual(error);
    expect(received.stack).toBe(error.stack);
    expect(received.cause).toEqual(new Error('disk full'));
    expect(deserializeError({ message: 'bare', stack: null, cause: null }).cause).toBeUndefined();
  });

  it('uses bounded memory while no message is acknowledged', () => {
    const { status, sent, acknowledge } = createTestChannel();
    status.heartbeat();
    for (let n = 0; n < 10_000; n += 1) {
      status.onSequenced(1, 1);
      status.onError(new Error(`${n}`));
    }
    acknowledge();
    expect(sent).toHaveLength(2);
    expect(sent[1]!.sequenced?.records).toBe(10_000);
    expect(sent[1]!.errors).toHaveLength(20);
  });

  it('drains when every message was acknowledged', async () => {
    const { status, sent, acknowledge } = createTestChannel();
    await status.drain();
    status.onSequenced(1, 1);
    status.onSequenced(2, 1);
    let isDrained = false;
    const drained = status.drain().then(() => {
      isDrained = true;
    });
    acknowledge();
    await Promise.resolve();
    expect([sent.length, isDrained]).toEqual([2, false]);
    acknowledge();
    await drained;
  });
});
