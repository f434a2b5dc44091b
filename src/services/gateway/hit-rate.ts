/** Hits and misses of a cache. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { createRecentCounts } from './recent-counts.ts';

const HIT = 0;
const MISS = 1;

/** Hits and misses as counters, and the rate of the last minute (1 when there were none). */
export function createHitRate(
  registers: Registry[],
  names: { counters: string; gauge: string; what: string },
) {
  const { counters, gauge, what } = names;
  const recent = createRecentCounts(2, () => performance.now());
  // Counted in variables and added to the counters at a scrape, because every request counts.
  const pending = [0, 0];
  const counter = (name: string, help: string, index: number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.inc(pending[index]);
        pending[index] = 0;
      },
    });
  counter(`${counters}_hits_total`, `${what}: found`, HIT);
  counter(`${counters}_misses_total`, `${what}: not found`, MISS);
  new Gauge({
    name: gauge,
    help: `${what}: share found in the last minute`,
    registers,
    collect() {
      const [hits = 0, misses = 0] = recent.sums();
      this.set(hits + misses === 0 ? 1 : hits / (hits + misses));
    },
  });
  return (found: boolean) => {
    const index = found ? HIT : MISS;
    recent.add(index);
    pending[index]! += 1;
  };
}
