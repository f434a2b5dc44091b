import { describe, expect, it } from 'vitest';
import { memoryLog } from './fixtures/memory-log.ts';

describe('an honest log', () => {
  it('verifies without findings', async () => {
    expect(await memoryLog().verify()).toEqual({
      verdict: 'pass',
      records: 240,
      blocks: expect.any(Number),
      checkpoints: 22,
      notSequenced: 3,
      archived: 0,
      findings: [],
      findingCount: 0,
      first: null,
    });
  });

  it('passes after a retirement, with its archive and without', async () => {
    const log = memoryLog();
    await log.retire('2026-10');
    expect(await log.verify()).toMatchObject({ findings: [], records: 244, archived: 0 });
    const rows = (await log.rows()).length;
    Object.assign(log.source, { archive: () => null });
    const verification = await log.verify();
    expect(verification.findings).toEqual([]);
    expect(verification.archived + verification.records).toBe(244);
    expect(verification.records).toBe(rows);
  });

  it('passes when it is empty', async () => {
    const log = memoryLog(0);
    for (let n = 1; n <= 3; n += 1) await log.remove([(await log.rows())[0]!.eventId]);
    expect(await log.verify()).toMatchObject({ verdict: 'pass', records: 0, blocks: 0 });
  });
});
