import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../contract.ts';
import { EncodingError, encodeRecord, leafOf, unixMicroseconds } from './encoding.ts';
import { columns, edits, sampleRecord } from './fixtures/log.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const bigint = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String);
const time = fc
  .bigInt({ min: 0n, max: 4_102_444_800_000_000n })
  .map(
    (us) =>
      `${new Date(Number(us / 1_000n)).toISOString().slice(0, 23)}${String(us % 1_000n).padStart(3, '0')}Z`,
  );
const orNull = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

const record: fc.Arbitrary<AuditRecord> = fc.record({
  version: fc.constant(2),
  eventId: fc.uuid(),
  occurredAt: time,
  receivedAt: time,
  id: bigint,
  xid: bigint,
  organisationId: bigint,
  userId: bigint,
  sessionHash: orNull(text),
  keyId: orNull(bigint),
  agent: orNull(fc.integer({ min: -32_768, max: 32_767 })),
  action: text,
  resourceType: text,
  resourceId: orNull(text),
  outcome: fc.constantFrom('success', 'denied', 'failure'),
  reason: orNull(text),
  requestId: text,
  clientRequestId: orNull(text),
  region: text,
  service: text,
  sealed: orNull(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))),
  change: orNull(text),
});

/** The other direction, written from the format alone. */
function decode(bytes: Buffer): (Buffer | null)[] {
  const fields: (Buffer | null)[] = [bytes.subarray(0, 1)];
  for (let at = 1; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    at += 4;
    fields.push(length === 0xffff_ffff ? null : bytes.subarray(at, at + length));
    if (length !== 0xffff_ffff) at += length;
  }
  return fields;
}

const asText = (field: Buffer | null | undefined) => field?.toString() ?? null;
const asInteger = (field: Buffer | null | undefined) => field?.readBigInt64BE().toString() ?? null;
const asHex = (field: Buffer | null | undefined) => field?.toString('hex') ?? null;

describe('the canonical encoding', () => {
  it('can be read back field by field, so no two records share one', () => {
    fc.assert(
      fc.property(record, (r) => {
        const fields = decode(encodeRecord(r));
        expect(fields).toHaveLength(22);
        const us = (iso: string) => String(unixMicroseconds(iso));
        expect([asHex(fields[1]), asInteger(fields[2]), asInteger(fields[3])]).toEqual([
          r.eventId.replaceAll('-', ''),
          us(r.occurredAt),
          us(r.receivedAt),
        ]);
        expect([4, 5, 6, 7, 9, 10].map((i) => asInteger(fields[i]))).toEqual([
          r.id,
          r.xid,
          r.organisationId,
          r.userId,
          r.keyId,
          r.agent === null ? null : String(r.agent),
        ]);
        expect([8, 11, 12, 13, 14, 15, 16, 17, 18].map((i) => asText(fields[i]))).toEqual([
          r.sessionHash,
          r.action,
          r.resourceType,
          r.resourceId,
          r.outcome,
          r.reason,
          r.requestId,
          r.region,
          r.service,
        ]);
        expect(asHex(fields[19])).toBe(r.sealed?.toString('hex') ?? null);
        expect([20, 21].map((i) => asText(fields[i]))).toEqual([r.clientRequestId, r.change]);
      }),
    );
  });

  it('gives records that differ in any field different leaves', () => {
    fc.assert(
      fc.property(record, record, fc.subarray([...columns], { minLength: 1 }), (a, b, chosen) => {
        const mixed = { ...a };
        for (const column of chosen) Object.assign(mixed, { [column]: b[column] });
        const same = columns.every(
          (column) =>
            String(a[column]) === String(mixed[column]) &&
            (a[column] === null) === (mixed[column] === null),
        );
        expect(leafOf(mixed).equals(leafOf(a))).toBe(same);
      }),
    );
  });

  it.each(columns)('covers the column %s, also when it becomes null or empty', (column) => {
    for (const edited of [7, 8].flatMap((n) => edits(sampleRecord(n), column))) {
      const before = leafOf(sampleRecord(edited.version === 1 ? 7 : 8)).toString('hex');
      try {
        expect(leafOf(edited).toString('hex')).not.toBe(before);
      } catch (error) {
        expect(error).toBeInstanceOf(EncodingError);
      }
    }
  });

  it('distinguishes null from empty', () => {
    const with_ = (change: Partial<AuditRecord>) => leafOf({ ...sampleRecord(1), ...change });
    expect(with_({ reason: null }).equals(with_({ reason: '' }))).toBe(false);
    expect(with_({ sealed: null }).equals(with_({ sealed: Buffer.alloc(0) }))).toBe(false);
    expect(
      with_({ reason: 'a', resourceId: 'b' }).equals(with_({ reason: 'b', resourceId: 'a' })),
    ).toBe(false);
  });

  it.each([
    { eventId: '01935A7E-0000-7000-8000-000000000001' },
    { id: '007' },
    { id: '+7' },
    { id: '9223372036854775808' },
    { userId: '1e3' },
    { action: 'half \ud800 of a pair' },
    { occurredAt: '2026-11-21T03:23:15Z' },
    { occurredAt: '2026-02-30T03:23:15.000000Z' },
    { occurredAt: '2026-11-21T24:00:00.000000Z' },
    { version: 3 },
    { clientRequestId: 'of version 2' },
    { change: '{}' },
    { agent: 1.5 },
  ])('refuses what has no one form: %j', (change) => {
    expect(() => encodeRecord({ ...sampleRecord(1), ...change })).toThrow(EncodingError);
  });

  it('agrees with Date on every microsecond', () => {
    fc.assert(
      fc.property(time, (iso) => {
        const expected = Date.parse(`${iso.slice(0, 23)}Z`) * 1_000 + Number(iso.slice(23, 26));
        expect(unixMicroseconds(iso)).toBe(expected);
      }),
    );
  });

  it('of version 1 ends before the fields of version 2, which older archives do not have', () => {
    const { clientRequestId: _, change: __, ...old } = sampleRecord(1);
    expect(encodeRecord(old as AuditRecord)).toEqual(encodeRecord(sampleRecord(1)));
    expect(decode(encodeRecord(sampleRecord(2)))).toHaveLength(22);
    expect(decode(encodeRecord(sampleRecord(1)))).toHaveLength(20);
  });

  it('never changes: the leaf of a known record', () => {
    expect(leafOf(sampleRecord(1)).toString('hex')).toMatchInlineSnapshot(
      `"ca0a8ad542d428edb6b3d0832dd39afd30a1a5210b7f01041d0a12c8c82e3045"`,
    );
  });
});
