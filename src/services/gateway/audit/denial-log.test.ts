/** Denials are counted, bounded, and never lost to a store that is away for a while. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../audit/contract.ts';
import { createDenialLog, type Denial, type DenialLog } from './denial-log.ts';

let open: DenialLog | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

function startLog() {
  const events: AuditEvent[] = [];
  const errors: string[] = [];
  let isDown = false;
  open = createDenialLog({
    audit: {
      async record(event) {
        if (isDown) throw new Error('the store is away');
        events.push(event);
      },
    },
    name: 'gateway.1',
    region: 'us',
    clock: { nowUs: () => Date.now() * 1_000 },
    random: {
      uuid: () => randomUUID(),
      bytes: (count) => Buffer.alloc(count),
    },
    report: ({ message }) => errors.push(message),
  });
  return {
    log: open,
    events,
    errors,
    setDown: (down: boolean) => {
      isDown = down;
    },
    /** What stands in the log, by address and reason. */
    counts: () =>
      events.map(({ personal, reason, resourceId }) => [personal.ip, reason, resourceId]),
  };
}

let requests = 0;
function denial(ip: string, more: Partial<Denial> = {}): Denial {
  requests += 1;
  return {
    action: 'project.list',
    reason: 'unauthenticated',
    requestId: `r${requests}`,
    clientRequestId: null,
    personal: { ip, userAgent: `device ${requests}` },
    of: null,
    ...more,
  };
}
const times = (count: number, make: (n: number) => Denial) =>
  Array.from({ length: count }, (_, n) => make(n));
const sum = (events: readonly AuditEvent[]) =>
  events.reduce((total, { resourceId }) => total + Number(resourceId), 0);

describe('a flood from one address', () => {
  it('is one event at once and one at the end of the minute, with the count', async () => {
    const { log, counts } = startLog();
    for (const one of times(5_000, () => denial('203.0.113.1'))) log.count(one);
    expect(counts()).toEqual([['203.0.113.1', 'unauthenticated', '1']]);
    await log.endWindow();
    expect(counts().slice(1)).toEqual([['203.0.113.1', 'unauthenticated', '4999']]);
    await log.endWindow();
    expect(counts()).toHaveLength(2);
    log.count(denial('203.0.113.1'));
    expect(counts().at(-1)).toEqual(['203.0.113.1', 'unauthenticated', '1']);
  });
});

describe('a flood from 100,000 addresses', () => {
  it('is bounded, and every denial is counted', async () => {
    const { log, events } = startLog();
    const reasons = ['unauthenticated', 'session-needed', 'not-found'];
    for (const one of times(100_000, (n) =>
      denial(`10.0.${n >> 8}.${n % 256}`, { reason: reasons[n % 3]! }),
    ))
      log.count(one);
    await log.endWindow();
    expect(events.length).toBeLessThanOrEqual(2 * (256 + reasons.length));
    expect(sum(events)).toBe(100_000);
    const beyond = events.filter(({ action }) => action === 'denials.overflow');
    expect(new Set(beyond.map(({ reason }) => reason))).toEqual(new Set(reasons));
    expect(beyond.every(({ personal }) => personal.ip === null)).toBe(true);
  });
});

describe('what an event says', () => {
  it('is the tenant where one is known, and the platform where none is', async () => {
    const { log, events } = startLog();
    const of = { organisationId: '7', userId: '8', sessionHash: null, keyId: '9', agent: 2 };
    log.count(denial('203.0.113.1', { of, reason: 'session-needed' }));
    log.count(denial('203.0.113.1', { reason: 'session-needed' }));
    expect(events).toMatchObject([
      { ...of, resourceType: 'denials', resourceId: '1', outcome: 'denied' },
      { organisationId: '0', userId: '0', keyId: null, requestId: `denials:r${requests}` },
    ]);
  });
});

describe('while nothing can be recorded', () => {
  it('goes on counting, and records it all later', async () => {
    const { log, events, errors, setDown } = startLog();
    setDown(true);
    for (const one of times(10, () => denial('203.0.113.1'))) log.count(one);
    await log.endWindow();
    expect(events).toEqual([]);
    expect(errors.length).toBeLessThanOrEqual(2);
    setDown(false);
    log.count(denial('203.0.113.1'));
    await log.endWindow();
    expect(sum(events)).toBe(11);
  });

  it('records what is left when the process ends', async () => {
    const { log, events } = startLog();
    for (const one of times(10, () => denial('203.0.113.1'))) log.count(one);
    await log.close();
    expect(sum(events)).toBe(10);
  });
});
