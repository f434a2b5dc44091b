import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellOf, exportCsv } from './export-csv.ts';
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
    expect(edited).toContain(`,"%3Dcmd|""calc""!A1,%0D%0Ax",`);
    expect(edited).toContain(',%2D1+1,');
  });

  it.each([
    ['project.create', 'project.create'],
    ['019aa4b1-2c33-7abc-8def-0123456789ab', '019aa4b1-2c33-7abc-8def-0123456789ab'],
    ['a=b+c-d@e', 'a=b+c-d@e'],
    ['=1+1', '%3D1+1'],
    ['@SUM(A1)', '%40SUM(A1)'],
    [' \u00a0\u200b=1', ' \u00a0\u200b%3D1'],
    ['＝1', '%EF%BC%9D1'],
    ['－1', '%EF%BC%8D1'],
    [';=1', '%3B=1'],
    ['a;=1', 'a%3B=1'],
    ['\t=1', '%09%3D1'],
    ['a\r\n=1', 'a%0D%0A=1'],
    ['\u0085x\u007f', '%C2%85x%7F'],
    ["'=1", "'=1"],
    ['100%', '100%25'],
    ['%3D1', '%253D1'],
  ])('writes %j as %s', (value, cell) => {
    expect(cellOf(value)).toBe(cell);
  });

  it('leaves no cell that a spreadsheet reads as a formula or splits, and every value can be read back', () => {
    const letters = fc.constantFrom(
      ...'=+-@＝＋－＠；;\t\r\n\u0000\u001b\u200b ", %\'a1é\u{1F600}',
    );
    const value = fc.oneof(
      fc.array(letters, { maxLength: 12 }).map((parts) => parts.join('')),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
    );
    fc.assert(
      fc.property(value, (text) => {
        const cell = cellOf(text);
        const shown = /^"/.test(cell) ? cell.slice(1, -1).replaceAll('""', '"') : cell;
        expect(decodeURIComponent(shown)).toBe(text);
        expect(shown.trimStart().normalize('NFKC')).not.toMatch(/^[=+\-@]/);
        expect(shown.normalize('NFKC')).not.toMatch(/[;\p{Cc}]/u);
      }),
    );
  });
});
