import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Queue } from './queue.ts';

test('behaves as an array, also across its compactions', () => {
  // Long stretches of one kind, so that the head passes the compaction limit of 1024.
  const stretch = fc.record({ push: fc.nat(3000), shift: fc.nat(3000) });
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 6 }), (stretches) => {
      const queue = new Queue<number>();
      const model: number[] = [];
      let next = 0;
      for (const { push, shift } of stretches) {
        for (let count = 0; count < push; count += 1) {
          queue.push(next);
          model.push(next);
          next += 1;
        }
        const wanted = model.splice(0, shift);
        for (let count = 0; count < shift; count += 1) expect(queue.shift()).toBe(wanted[count]);
        expect(queue.length).toBe(model.length);
        expect(queue.peek()).toBe(model[0]);
      }
    }),
    { numRuns: 30 },
  );
});

test('distinguishes an undefined item from an empty queue by its length', () => {
  const queue = new Queue<undefined>();
  queue.push(undefined);
  expect(queue.length).toBe(1);
  queue.shift();
  expect(queue.length).toBe(0);
});
