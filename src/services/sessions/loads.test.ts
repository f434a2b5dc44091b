import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLoads } from './loads.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('loads', () => {
  it('answer nobody from a read that was sent before they asked, and stay within their bound', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ id: fc.nat({ max: 3 }), turns: fc.nat({ max: 3 }) }), {
          maxLength: 40,
        }),
        fc.infiniteStream(fc.nat({ max: 4 })),
        async (asks, delays) => {
          let time = 0;
          let running = 0;
          const loads = createLoads<number>({
            maxConcurrent: 2,
            maxWaiting: 1_000,
            async find(ids) {
              running += 1;
              expect(running).toBeLessThanOrEqual(2);
              expect(new Set(ids).size).toBe(ids.length);
              time += 1;
              const sentAt = time;
              for (let i = delays.next().value; i > 0; i -= 1) await turn();
              running -= 1;
              return new Map(ids.map((id) => [id, sentAt]));
            },
          });
          const all: Promise<void>[] = [];
          for (const { id, turns } of asks) {
            time += 1;
            const askedAt = time;
            all.push(
              loads.load(String(id)).then((sentAt) => expect(sentAt).toBeGreaterThan(askedAt)),
            );
            for (let i = 0; i < turns; i += 1) await turn();
          }
          await Promise.all(all);
        },
      ),
    );
  });

  it('share one statement among all who ask in one turn', async () => {
    const statements: string[][] = [];
    const loads = createLoads<string>({
      maxConcurrent: 1,
      maxWaiting: 1_000,
      find: async (ids) => {
        statements.push([...ids]);
        return new Map([['a', 'row']]);
      },
    });
    const asked = ['a', 'a', 'b', 'a'].map((id) => loads.load(id));
    expect(await Promise.all(asked)).toEqual(['row', 'row', null, 'row']);
    expect(statements).toEqual([['a', 'b']]);
  });

  it('refuse the one too many, fail all of a failed statement, and go on', async () => {
    let fails = true;
    const loads = createLoads<string>({
      maxConcurrent: 1,
      maxWaiting: 2,
      find: async () => {
        if (fails) throw new Error('gone');
        return new Map();
      },
    });
    const asked = await Promise.allSettled(['a', 'b', 'c'].map((id) => loads.load(id)));
    expect(asked.map((one) => one.status === 'rejected' && one.reason.message)).toEqual([
      'gone',
      'gone',
      expect.stringContaining('Too many sessions'),
    ]);
    fails = false;
    expect(await loads.load('a')).toBeNull();
  });
});
