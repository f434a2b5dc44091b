import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../sim/pure/random.ts';
import { checkWindow, type LimitEvent } from './check-window.ts';
import { refusalsAreDue, windowIsExact } from './window-verdicts.ts';

const LIMIT = 10;
const WINDOW_US = 1_000;

type Decide = (atUs: number) => boolean;

/** The exact limiter. */
function exactLog(limit = LIMIT, windowUs = WINDOW_US): Decide {
  const log: number[] = [];
  return (atUs) => {
    while (log.length > 0 && atUs - log[0]! >= windowUs) log.shift();
    if (log.length >= limit) return false;
    log.push(atUs);
    return true;
  };
}

/** Bursts of twice the limit with pauses between them; `blurUs` widens each event's interval as a network does. */
function play(decide: Decide, { seed = 1, blurUs = 0, subject = 'u1' } = {}): LimitEvent[] {
  const random = createRandom(seed).fork('limits');
  const events: LimitEvent[] = [];
  let atUs = 0;
  for (let burst = 0; burst < 30; burst += 1) {
    atUs += Math.floor(random.next() * 2.5 * WINDOW_US);
    const size = Math.floor(random.next() * 2 * LIMIT);
    for (let one = 0; one < size; one += 1) {
      atUs += Math.floor(random.next() * 20);
      events.push({
        requestId: `r${events.length}`,
        subject,
        weight: 1,
        kind: decide(atUs) ? 'admitted' : 'refused',
        fromUs: atUs - Math.floor(random.next() * blurUs),
        toUs: atUs + Math.floor(random.next() * blurUs),
      });
    }
  }
  return events;
}

const check = (events: readonly LimitEvent[]) =>
  checkWindow({ events, limitOf: () => LIMIT, windowUs: WINDOW_US });

function bucket(): Decide {
  let [tokens, lastUs] = [LIMIT, 0];
  return (atUs) => {
    tokens = Math.min(LIMIT, tokens + ((atUs - lastUs) * LIMIT) / WINDOW_US);
    lastUs = atUs;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

function fixedWindow(): Decide {
  const counts = new Map<number, number>();
  return (atUs) => {
    const slot = Math.floor(atUs / WINDOW_US);
    const count = counts.get(slot) ?? 0;
    counts.set(slot, count + 1);
    return count < LIMIT;
  };
}

/** An exact log that also counts refused requests. */
function chargesRefusals(): Decide {
  const log: number[] = [];
  return (atUs) => {
    while (log.length > 0 && atUs - log[0]! >= WINDOW_US) log.shift();
    log.push(atUs);
    return log.length <= LIMIT;
  };
}

describe('checkWindow', () => {
  it('passes the exact log in both invariants, by its clock and through a network', () => {
    for (const blurUs of [0, 15, 400]) {
      const findings = check(play(exactLog(), { blurUs }));
      expect(windowIsExact(findings)).toMatchObject({ verdict: 'pass', violations: 0 });
      expect(refusalsAreDue(findings)).toMatchObject({ verdict: 'pass', violations: 0 });
    }
  });

  it('finds no violation of the exact log, whatever the seed and the blur', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(3_000), (seed, blurUs) => {
        const { overAdmitted, falseRefusals } = check(play(exactLog(), { seed, blurUs }));
        expect({ overAdmitted, falseRefusals }).toEqual({ overAdmitted: 0, falseRefusals: 0 });
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['a token bucket', bucket(), 1.5],
    ['a fixed window', fixedWindow(), 1.5],
    ['one too many', exactLog(LIMIT + 1), 1.1],
    ['a window that ends early', exactLog(LIMIT, WINDOW_US / 2), 1.1],
    ['no limit', () => true, 1.5],
  ])('catches %s', (_, decide, least) => {
    const answer = windowIsExact(check(play(decide)));
    expect(answer.verdict).toBe('fail');
    expect(answer.figures?.[0]?.value).toBeGreaterThanOrEqual(least);
    expect(answer.witness[0]).toMatchObject({ limit: LIMIT, first: { kind: 'admitted' } });
  });

  it.each([
    ['charge on refusal', chargesRefusals()],
    ['one too few', exactLog(LIMIT - 1)],
    ['a window that ends late', exactLog(LIMIT, 2 * WINDOW_US)],
    ['half of the tokens', exactLog(LIMIT / 2)],
  ])('catches false refusals: %s', (_, decide) => {
    expect(refusalsAreDue(check(play(decide))).verdict).toBe('fail');
  });

  it('counts possible admissions in favour of the limiter only', () => {
    const at = (kind: LimitEvent['kind'], us: number): LimitEvent => ({
      requestId: `${kind}${us}`,
      subject: 'u1',
      weight: 1,
      kind,
      fromUs: us,
      toUs: us,
    });
    const nine = Array.from({ length: 9 }, (_, index) => at('admitted', index));
    expect(check([...nine, at('refused', 50)]).falseRefusals).toBe(1);
    const lost = { ...at('possible', 20), toUs: 5_000 };
    expect(check([...nine, lost, at('refused', 50)]).falseRefusals).toBe(0);
    expect(check([...nine, at('admitted', 10), lost]).overAdmitted).toBe(0);
  });

  it('respects weights: five units do not fit where four are left', () => {
    const at = (kind: LimitEvent['kind'], us: number, weight: number): LimitEvent => ({
      requestId: `${us}`,
      subject: 'u1',
      weight,
      kind,
      fromUs: us,
      toUs: us,
    });
    expect(check([at('admitted', 0, 6), at('refused', 1, 5)]).falseRefusals).toBe(0);
    expect(check([at('admitted', 0, 6), at('refused', 1, 4)]).falseRefusals).toBe(1);
    expect(check([at('admitted', 0, 6), at('admitted', 1, 5)]).overAdmitted).toBe(1);
  });

  it('is unknown when the limit was never reached, or no window was without refusals', () => {
    expect(windowIsExact(check([])).verdict).toBe('unknown');
    const [first] = play(exactLog());
    expect(windowIsExact(check([first!]))).toMatchObject({ reason: 'no window was ever full' });
    const refusing = check(play(() => false));
    expect(windowIsExact(refusing).verdict).toBe('unknown');
    expect(refusalsAreDue(refusing).verdict).toBe('fail');
  });

  it('keeps subjects apart', () => {
    const both = ['u1', 'u2'].flatMap((subject) => play(exactLog(), { subject }));
    expect(check(both)).toMatchObject({ subjects: 2, overAdmitted: 0, falseRefusals: 0 });
  });
});
