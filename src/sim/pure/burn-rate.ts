/**
 * A burn-rate alert, computed on the recorded series: when would it have fired?
 *
 *   burn rate = bad share / (1 - objective);  it fires while both windows burn at `threshold` or more
 *
 * The long window keeps it from firing for a blip, the short one (1/12 of it) from firing on when all is well.
 * From clean, a constant bad share e fires after  t = long x threshold x (1 - objective) / e. In production the
 * pair for 2 % of a 30-day budget is 14.4 over 1 h and 5 min; a run of a minute has the same threshold over
 * windows of seconds, so its times are those of a production alert scaled down by the ratio of the windows.
 */
export interface BurnRateAlert {
  /** Share of events that must be good. */
  readonly objective: number;
  readonly threshold: number;
  readonly longUs: number;
  readonly shortUs: number;
  /** Events the long window must hold: one failure in a quiet moment is not an outage. */
  readonly minEvents: number;
}

/** An operation as an alert sees it: known when it has ended. */
export interface AlertEvent {
  readonly atUs: number;
  readonly bad: boolean;
}

/** Instants at which the alert begins to fire. `events` in order of time; O(n). */
export function firingInstants(events: readonly AlertEvent[], alert: BurnRateAlert): number[] {
  const { objective, threshold, longUs, shortUs, minEvents } = alert;
  const limit = threshold * (1 - objective);
  const long = new SlidingShare(events, longUs);
  const short = new SlidingShare(events, shortUs);
  const instants: number[] = [];
  let firing = false;
  for (const [index, { atUs }] of events.entries()) {
    long.take(index);
    short.take(index);
    const fires = long.count >= minEvents && long.share >= limit && short.share >= limit;
    if (fires && !firing) instants.push(atUs);
    firing = fires;
  }
  return instants;
}

/** Share of bad events in the window that ends with the event just taken. */
class SlidingShare {
  readonly #events: readonly AlertEvent[];
  readonly #windowUs: number;
  #first = 0;
  #bad = 0;
  count = 0;

  constructor(events: readonly AlertEvent[], windowUs: number) {
    this.#events = events;
    this.#windowUs = windowUs;
  }

  get share(): number {
    return this.count === 0 ? 0 : this.#bad / this.count;
  }

  take(index: number): void {
    const { atUs, bad } = this.#events[index]!;
    this.count += 1;
    if (bad) this.#bad += 1;
    for (; this.#events[this.#first]!.atUs <= atUs - this.#windowUs; this.#first += 1) {
      this.count -= 1;
      if (this.#events[this.#first]!.bad) this.#bad -= 1;
    }
  }
}
