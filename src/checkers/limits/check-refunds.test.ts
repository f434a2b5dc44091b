import { describe, expect, it } from 'vitest';
import { checkRefunds } from './check-refunds.ts';
import type { LevelEvent } from './level-events.ts';

const [LIMIT, WINDOW_US] = [3, 1_000];
const at = (atUs: number, fields: Partial<LevelEvent>): LevelEvent => ({
  requestId: `r${atUs}`,
  policy: 'login',
  subject: 'a',
  limit: LIMIT,
  quota: LIMIT,
  remaining: null,
  weight: 1,
  windowUs: WINDOW_US,
  kind: 'admitted',
  fromUs: atUs,
  toUs: atUs,
  atUs,
  isShared: false,
  isRefunded: false,
  ...fields,
});
/** Given back 20 us later. */
const succeeded = (atUs: number) =>
  at(atUs, { kind: 'possible', isRefunded: true, toUs: atUs + 20 - WINDOW_US });
const logins = Array.from({ length: 5 }, (_, index) => succeeded(100 * index));
const check = (events: readonly LevelEvent[]) => checkRefunds({ events, mustExceed: ['login'] });

describe('checkRefunds', () => {
  it('passes a client that logs in more often than its limit', () => {
    const failed = [510, 520, 530].map((us) => at(us, {}));
    const due = at(540, { kind: 'refused' });
    expect(check([...logins, ...failed, due])).toMatchObject({ verdict: 'pass', violations: 0 });
  });

  it('catches a refusal for what was given back', () =>
    expect(check([...logins, at(540, { kind: 'refused' })])).toMatchObject({
      verdict: 'fail',
      violations: 1,
    }));

  it('lets a login explain a refusal while it is not given back', () => {
    const pending = [500, 501, 502].map(succeeded);
    const refused = at(510, { kind: 'refused' });
    expect(check([...logins, ...pending, refused]).violations).toBe(0);
    expect(check([...logins, ...pending, at(530, { kind: 'refused' })]).violations).toBe(1);
  });

  it('is unknown when no client gave back more than its limit', () => {
    expect(check(logins.slice(0, 3)).reason).toBe(
      'login: no more was given back than the limit has',
    );
    expect(check([]).verdict).toBe('unknown');
  });
});
