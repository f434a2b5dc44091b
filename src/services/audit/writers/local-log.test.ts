import { appendFile, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { timeOrderedId } from '../../ports.ts';
import type { AuditEvent } from '../contract.ts';
import { LOCAL_LOG_FILE_NAME, type LocalLog, openLocalLog } from './local-log.ts';
import { decodeEvent, decodeFrames, encodeFrame, FRAME_HEADER_BYTES } from './local-log-frames.ts';

const key = Buffer.alloc(32, 7);

const text = fc.string({ unit: 'binary', maxLength: 60 });
const event: fc.Arbitrary<AuditEvent> = fc.record({
  eventId: fc.uuid().map((uuid) => timeOrderedId(1_763_694_195_123_456, uuid)),
  occurredAt: fc.constant('2026-11-21T03:23:15.000000Z'),
  organisationId: fc.constant('12'),
  userId: fc.constant('7'),
  sessionHash: fc.option(fc.constant('ab'.repeat(16))),
  keyId: fc.option(fc.constant('9')),
  agent: fc.option(fc.nat(200)),
  action: text,
  resourceType: text,
  resourceId: fc.option(text),
  outcome: fc.constantFrom('success', 'denied', 'failure'),
  reason: fc.option(text),
  requestId: text,
  clientRequestId: fc.option(text, { nil: null }),
  region: fc.constant('us'),
  service: text,
  change: fc.option(text),
  personal: fc.record({ ip: fc.option(fc.ipV4()), userAgent: fc.option(text) }),
});
const events = fc.array(event, { minLength: 1, maxLength: 6 });
const sampleEvents = (count: number, seed = 1) => fc.sample(event, { numRuns: count, seed });

describe('a frame', () => {
  it('decodes to the event it was encoded from, and has no address in plaintext', () => {
    fc.assert(
      fc.property(event, (one) => {
        const frame = encodeFrame(one, key);
        const { payloads, end } = decodeFrames(frame);
        expect(end).toBe(frame.length);
        expect(decodeEvent(payloads[0]!, key)).toEqual(one);
        if (one.personal.ip) expect(frame.toString('latin1')).not.toContain(one.personal.ip);
      }),
    );
  });

  it('ends the decoding wherever the bytes are cut off or changed', () => {
    fc.assert(
      fc.property(events, fc.nat(), fc.integer({ min: 1, max: 255 }), (all, position, change) => {
        const frames = all.map((one) => encodeFrame(one, key));
        const bytes = Buffer.concat(frames);
        const cutAt = position % bytes.length;
        let whole = 0;
        let end = 0;
        while (whole < frames.length && end + frames[whole]!.length <= cutAt) {
          end += frames[whole]!.length;
          whole += 1;
        }
        const torn = decodeFrames(bytes.subarray(0, cutAt));
        expect([torn.payloads.length, torn.end]).toEqual([whole, end]);
        const changed = Buffer.from(bytes);
        changed[cutAt]! ^= change;
        expect(decodeFrames(changed).end).toBe(end);
        const zeroed = Buffer.from(bytes).fill(0, cutAt);
        expect(decodeFrames(zeroed).end).toBeLessThanOrEqual(cutAt);
      }),
    );
  });
});

describe('the local log', () => {
  let directory: string;
  let opened: LocalLog[];
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'platform-local-log-'));
    opened = [];
  });
  afterEach(async () => {
    await Promise.allSettled(opened.map((log) => log.close()));
    await rm(directory, { recursive: true });
  });
  const file = () => path.join(directory, LOCAL_LOG_FILE_NAME);
  const start = async (maxBytes = 1_000_000) => {
    const log = await openLocalLog({ directory, maxBytes, key });
    opened.push(log);
    return log;
  };
  const drainAll = async (log: LocalLog) => {
    const seen: AuditEvent[] = [];
    await log.drain(async (batch) => void seen.push(...batch));
    return seen;
  };

  it('has every acknowledged event on disk, in order, for the next process', async () => {
    const all = sampleEvents(500);
    const log = await start();
    await Promise.all(all.map((one) => log.append(one)));
    expect(log.eventCount()).toBe(500);
    // As after a kill: nothing was closed.
    const next = await start();
    expect(next.eventCount()).toBe(500);
    expect(await drainAll(next)).toEqual(all);
    expect(next.eventCount()).toBe(0);
    expect(await readFile(file())).toHaveLength(0);
    expect(await drainAll(await start())).toEqual([]);
  });

  it('appends after the last whole frame when the tail is incomplete', async () => {
    await fc.assert(
      fc.asyncProperty(events, fc.nat(), async (all, position) => {
        await writeFile(file(), '');
        const [last, ...first] = all;
        const log = await start();
        for (const one of first) await log.append(one);
        const frame = encodeFrame(last!, key);
        await appendFile(file(), frame.subarray(0, position % frame.length));
        const next = await start();
        await next.append(last!);
        expect(await drainAll(await start())).toEqual([...first, last]);
      }),
      { numRuns: 20 },
    );
  });

  it('drains events again whose write failed, and accepts new events during a drain', async () => {
    const [one, two] = sampleEvents(2) as [AuditEvent, AuditEvent];
    const log = await start();
    await log.append(one);
    await expect(log.drain(() => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(log.eventCount()).toBe(1);
    const seen: string[] = [];
    await log.drain(async (batch) => {
      if (seen.length === 0) await log.append(two);
      seen.push(...batch.map(({ eventId }) => eventId));
    });
    expect(seen).toEqual([one.eventId, two.eventId]);
    expect(log.eventCount()).toBe(0);
  });

  it('rejects events above maxBytes, also among concurrent ones', async () => {
    const all = sampleEvents(10);
    const size = (count: number) =>
      all.slice(0, count).reduce((sum, one) => sum + encodeFrame(one, key).length, 0);
    const log = await start(size(4));
    const settled = await Promise.allSettled(all.map((one) => log.append(one)));
    const kept = all.filter((_, at) => settled[at]!.status === 'fulfilled');
    expect(kept.length).toBeGreaterThanOrEqual(4);
    expect(
      (await open(file()).then((f) => f.stat().finally(() => f.close()))).size,
    ).toBeLessThanOrEqual(size(4));
    expect(await drainAll(log)).toEqual(kept);
    await log.append(all[9]!);
    expect(log.eventCount()).toBe(1);
  });

  it('rejects a drain of a damaged file instead of skipping events', async () => {
    const log = await start();
    for (const one of sampleEvents(3)) await log.append(one);
    await truncate(file(), FRAME_HEADER_BYTES);
    await expect(drainAll(log)).rejects.toThrow(/shorter|damaged/);
    expect(log.eventCount()).toBe(3);
  });
});

describe.runIf(process.platform === 'linux')('on a disk that is full', () => {
  it('rejects events', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'platform-local-log-'));
    // Writes to this device fail with ENOSPC.
    const { symlink } = await import('node:fs/promises');
    await symlink('/dev/full', path.join(directory, LOCAL_LOG_FILE_NAME));
    await expect(
      openLocalLog({ directory, maxBytes: 1_000, key }).then((log) =>
        log.append(sampleEvents(1)[0]!),
      ),
    ).rejects.toThrow();
    await rm(directory, { recursive: true });
  });
});
