/**
 * When a multi-window burn-rate alert (Google SRE Workbook, ch. 5) would have fired on the recorded series.
 *
 *   burn rate = bad ratio / (1 - objective);  fires while both windows burn at `threshold` or more
 *
 * The long window prevents firing on a blip, the short one (1/12 of it) stops the alert after the failures stop. From
 * clean, a constant bad ratio e fires after  t = long x threshold x (1 - objective) / e. In production the pair for 2 %
 * of a 30-day budget is 14.4 over 1 h and 5 min; a run of a minute uses the same threshold over windows of seconds, so
 * its times are a production alert's, scaled by the ratio of the windows.
 */
export interface BurnRateAlert {
  /** Share of events that must be good. */
  readonly objective: number;
  readonly threshold: number;
  readonly longUs: number;
  readonly shortUs: number;
  /** Minimum events in the long window: one failure at low traffic is not an outage. */
  readonly minEvents: number;
}

export interface AlertEvent {
  readonly atUs: number;
  readonly isBad: boolean;
}

/** Instants at which the alert starts to fire. `events` in order of time; O(n). */
export function alertInstants(events: readonly AlertEvent[], alert: BurnRateAlert): number[] {
  const { objective, threshold, longUs, shortUs, minEvents } = alert;
  const limit = threshold * (1 - objective);
  const long = new SlidingRatio(events, longUs);
  const short = new SlidingRatio(events, shortUs);
  const instants: number[] = [];
  let firing = false;
  for (const [index, { atUs }] of events.entries()) {
    long.advance(index);
    short.advance(index);
    const fires = long.count >= minEvents && long.ratio >= limit && short.ratio >= limit;
    if (fires && !firing) instants.push(atUs);
    firing = fires;
  }
  return instants;
}

/** Ratio of bad events in the window that ends at the current event. */
class SlidingRatio {
  readonly #events: readonly AlertEvent[];
  readonly #windowUs: number;
  #first = 0;
  #bad = 0;
  count = 0;

  constructor(events: readonly AlertEvent[], windowUs: number) {
    this.#events = events;
    this.#windowUs = windowUs;
  }

  get ratio(): number {
    return this.count === 0 ? 0 : this.#bad / this.count;
  }

  advance(index: number): void {
    const { atUs, isBad: bad } = this.#events[index]!;
    this.count += 1;
    if (bad) this.#bad += 1;
    for (; this.#events[this.#first]!.atUs <= atUs - this.#windowUs; this.#first += 1) {
      this.count -= 1;
      if (this.#events[this.#first]!.isBad) this.#bad -= 1;
    }
  }
}
