import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueHeap } from './due-heap.ts';

/** Few distinct instants, so that ties are common. */
const instants = fc.array(fc.nat(20), { maxLength: 200 });

test('pops in the order of a stable sort', () => {
  fc.assert(
    fc.property(instants, (dues) => {
      const heap = new DueHeap<number>();
      dues.forEach((dueUs, index) => {
        heap.push(dueUs, index);
      });
      const order = dues.map((_, index) => index).sort((a, b) => dues[a]! - dues[b]! || a - b);
      expect(order.map(() => heap.pop())).toEqual(order);
      expect(heap.pop()).toBeUndefined();
      expect(heap.nextUs).toBe(Number.POSITIVE_INFINITY);
    }),
  );
});

test('always peeks and pops the earliest item, with pushes and pops in any order', () => {
  const step = fc.option(fc.nat(20), { nil: null });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new DueHeap<readonly [number, number]>();
      const model: (readonly [number, number])[] = [];
      steps.forEach((dueUs, order) => {
        if (dueUs === null) {
          expect(heap.pop()).toEqual(model.shift());
        } else {
          heap.push(dueUs, [dueUs, order]);
          model.push([dueUs, order]);
          model.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        }
        expect(heap.nextUs).toBe(model[0]?.[0] ?? Number.POSITIVE_INFINITY);
      });
    }),
  );
});
