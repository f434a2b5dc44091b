import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSessionRowBatcher } from './session-row-batcher.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('session row batcher', () => {
  it('answers no read from a statement sent before it, and stays within its concurrency', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ id: fc.nat({ max: 3 }), turns: fc.nat({ max: 3 }) }), {
          maxLength: 40,
        }),
        fc.infiniteStream(fc.nat({ max: 4 })),
        async (reads, delays) => {
          let time = 0;
          let runningCount = 0;
          const batcher = createSessionRowBatcher<number>({
            maxConcurrent: 2,
            maxWaiting: 1_000,
            async find(ids) {
              runningCount += 1;
              expect(runningCount).toBeLessThanOrEqual(2);
              expect(new Set(ids).size).toBe(ids.length);
              time += 1;
              const sentAt = time;
              for (let i = delays.next().value; i > 0; i -= 1) await nextTurn();
              runningCount -= 1;
              return new Map(ids.map((id) => [id, sentAt]));
            },
          });
          const all: Promise<void>[] = [];
          for (const { id, turns } of reads) {
            time += 1;
            const calledAt = time;
            all.push(
              batcher.read(String(id)).then((sentAt) => expect(sentAt).toBeGreaterThan(calledAt)),
            );
            for (let i = 0; i < turns; i += 1) await nextTurn();
          }
          await Promise.all(all);
        },
      ),
    );
  });

  it('reads all ids of one turn of the event loop in one statement', async () => {
    const statements: string[][] = [];
    const batcher = createSessionRowBatcher<string>({
      maxConcurrent: 1,
      maxWaiting: 1_000,
      find: async (ids) => {
        statements.push([...ids]);
        return new Map([['a', 'row']]);
      },
    });
    const results = ['a', 'a', 'b', 'a'].map((id) => batcher.read(id));
    expect(await Promise.all(results)).toEqual(['row', 'row', null, 'row']);
    expect(statements).toEqual([['a', 'b']]);
  });

  it('refuses reads beyond maxWaiting, rejects every read of a failed statement, and goes on', async () => {
    let fails = true;
    const batcher = createSessionRowBatcher<string>({
      maxConcurrent: 1,
      maxWaiting: 2,
      find: async () => {
        if (fails) throw new Error('gone');
        return new Map();
      },
    });
    const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => batcher.read(id)));
    expect(results.map((one) => one.status === 'rejected' && one.reason.message)).toEqual([
      'gone',
      'gone',
      expect.stringContaining('Too many sessions'),
    ]);
    fails = false;
    expect(await batcher.read('a')).toBeNull();
  });
});
