import { describe, expect, it } from 'vitest';
import { exportCsv } from './export-csv.ts';
import { exportNdjson } from './export-ndjson.ts';
import { linesOf, wholeLog } from './fixtures/export-lines.ts';
import { memoryLog } from './fixtures/memory-log.ts';

describe('the bundle', () => {
  it('of a tenant has nothing of another but ids and hashes', async () => {
    const scope = { ...wholeLog, organisationId: '2' };
    const lines = await linesOf(exportNdjson(memoryLog().source, scope));
    const records = lines.map((line) => JSON.parse(line)).filter(({ record }) => record);
    expect(records.length).toBe(48);
    expect(records.every(({ record }) => record.organisationId === '2')).toBe(true);
    expect(lines.filter((line) => line.includes('req-')).length).toBe(records.length);
  });
});

describe('CSV', () => {
  it('has every sequenced record of the scope in a row, with formulas as text', async () => {
    const log = memoryLog();
    const [row] = (await log.rows()).slice(10, 11);
    await log.update(row!.eventId, { resourceId: '=cmd|"calc"!A1,\r\nx', reason: '-1+1' });
    const lines = await linesOf(exportCsv(log.source, wholeLog));
    expect(lines).toHaveLength(241);
    expect(lines.every((line) => line.endsWith('\r'))).toBe(true);
    const edited = lines.find((line) => line.includes(row!.eventId))!;
    expect(edited).toContain(`,"'=cmd|""calc""!A1,\r\nx",`);
    expect(edited).toContain(`,'-1+1,`);
  });
});
