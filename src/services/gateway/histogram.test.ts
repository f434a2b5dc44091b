import { Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createHistogram } from './histogram.ts';

it('exposes what prom-client would have exposed', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const named = { name: 'seconds', help: 'How long' };
  const bounds = [0.1, 1, 5];
  const series = createHistogram(ours, { ...named, bounds })({ route: '/a', status: 200 });
  const labelNames = ['route', 'status'];
  const library = new Histogram({ ...named, labelNames, buckets: bounds, registers: [theirs] });
  for (const value of [0.05, 0.1, 0.5, 5, 7]) {
    series.observe(value);
    library.observe({ route: '/a', status: 200 }, value);
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
});
