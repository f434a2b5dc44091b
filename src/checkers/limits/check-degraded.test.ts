import { describe, expect, it } from 'vitest';
import { checkDegraded, type DegradedDecision } from './check-degraded.ts';

const [LIMIT, WINDOW_US, STEP_US] = [100, 2_000_000, 100_000];
const outage = { startUs: 10_000_000, endUs: 20_000_000 };
const targets = ['gateway.1', 'gateway.2'];

/** 30 s of decisions: a tenth of the limit without the store, all that fits with it, and a login per process each second. */
function decisions(): DegradedDecision[] {
  const all: DegradedDecision[] = [];
  for (let sentUs = 0; sentUs < 30_000_000; sentUs += STEP_US) {
    const away = sentUs >= outage.startUs && sentUs < outage.endUs + 300_000;
    for (const [index, target] of targets.entries()) {
      const common = { target, sentUs, doneUs: sentUs + 2_000, weight: 1 };
      const mode = away ? 'share' : 'store';
      all.push({
        ...common,
        requestId: `r${all.length}`,
        subject: 'u1',
        credential: false,
        mode,
        admitted: !away || (sentUs / STEP_US) % 5 === 0,
        tookUs: away ? 30 : 900,
      } as DegradedDecision);
      if ((sentUs / STEP_US) % 10 !== index) continue;
      all.push({
        ...common,
        requestId: `r${all.length}`,
        subject: `credentials ${all.length}`,
        credential: true,
        admitted: !away,
        mode: away ? 'closed' : 'store',
        tookUs: 40,
      });
    }
  }
  return all;
}

type Edit = (one: DegradedDecision) => DegradedDecision;
const check = (edit: Edit = (one) => one, outages = [outage]) =>
  checkDegraded({
    decisions: decisions().map(edit),
    outages,
    targets,
    windowUs: WINDOW_US,
    limitOf: (subject) => (subject === 'u1' ? LIMIT : 1),
    maxFactor: 1.1,
    maxDecisionUs: 50_000,
    maxRecoveryUs: 1_000_000,
  });
const during = ({ sentUs }: DegradedDecision) =>
  sentUs >= outage.startUs + 1_000_000 && sentUs < outage.endUs;

describe('checkDegraded', () => {
  it('passes a bounded degraded share, refused logins and a quick recovery', () => {
    expect(check()).toMatchObject({ verdict: 'pass', violations: 0, witness: [] });
  });

  it('allows the first decision of each process to wait for the store', () => {
    const first = (one: DegradedDecision) =>
      one.sentUs === outage.startUs
        ? { ...one, tookUs: 110_000, doneUs: one.sentUs + 99_000 }
        : one;
    expect(check(first).verdict).toBe('pass');
  });

  it.each<[string, RegExp, Edit]>([
    [
      'fail-open',
      /too much/,
      (one) => (during(one) && !one.credential ? { ...one, admitted: true, weight: 4 } : one),
    ],
    [
      'a free burst afterwards',
      /too much/,
      (one) => (one.sentUs === 21_000_000 && !one.credential ? { ...one, weight: 60 } : one),
    ],
    [
      'a wait for the store each time',
      /slow/,
      (one) => (during(one) ? { ...one, tookUs: 100_000 } : one),
    ],
    [
      'a login',
      /credentials/,
      (one) => (during(one) && one.credential ? { ...one, admitted: true } : one),
    ],
    [
      'no return',
      /long after/,
      (one) =>
        one.sentUs > outage.startUs && one.target === 'gateway.2' && !one.credential
          ? { ...one, mode: 'share' }
          : one,
    ],
  ])('catches %s', (_, violation, edit) => {
    const { verdict, witness } = check(edit);
    expect(verdict).toBe('fail');
    expect(witness[0]?.violation).toMatch(violation);
  });

  it('is unknown without an outage, a degraded decision or a login', () => {
    expect(check(undefined, []).verdict).toBe('unknown');
    const withoutEvidence: Edit = (one) => ({ ...one, mode: null });
    expect(check(withoutEvidence).reason).toMatch(/no degraded decision on gateway.1/);
    const noLogin: Edit = (one) => ({
      ...one,
      credential: false,
      admitted: one.subject === 'u1' && one.admitted,
    });
    expect(check(noLogin).reason).toMatch(/no credentials/);
  });
});
