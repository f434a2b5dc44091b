/** Hits and misses of a cache. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** Hits and misses as counters, and the rate since the last scrape (1 when there were none). */
export function createHitRate(
  registers: Registry[],
  names: { counters: string; gauge: string; what: string },
) {
  const { counters, gauge, what } = names;
  // Counted in variables and added to the counters at a scrape, because every request counts.
  let hitsInWindow = 0;
  let missesInWindow = 0;
  let pendingHits = 0;
  let pendingMisses = 0;
  new Counter({
    name: `${counters}_hits_total`,
    help: `${what}: found`,
    registers,
    collect() {
      this.inc(pendingHits);
      pendingHits = 0;
    },
  });
  new Counter({
    name: `${counters}_misses_total`,
    help: `${what}: not found`,
    registers,
    collect() {
      this.inc(pendingMisses);
      pendingMisses = 0;
    },
  });
  new Gauge({
    name: gauge,
    help: `${what}: share found since the last scrape`,
    registers,
    collect() {
      this.set(
        hitsInWindow + missesInWindow === 0 ? 1 : hitsInWindow / (hitsInWindow + missesInWindow),
      );
      hitsInWindow = 0;
      missesInWindow = 0;
    },
  });
  return (found: boolean) => {
    if (found) {
      hitsInWindow += 1;
      pendingHits += 1;
    } else {
      missesInWindow += 1;
      pendingMisses += 1;
    }
  };
}
