import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ownPostgres } from '../../../sim/effects/testbed/fixtures/stores.ts';
import { type Heads, readHeads } from '../block-store.ts';
import { readCheckpoint } from '../chain/checkpoint.ts';
import {
  addEvents,
  chained,
  checkpointsIn,
  clock,
  connect,
  design,
  ownLog,
  startSequencer,
  verify,
} from '../fixtures/chained-log.ts';
import { forceIndexScans, sequenceBatch } from './sequence-batch.ts';
import type { DedicatedConnection } from './sequencer.ts';

const postgres = ownPostgres('sequencer');
const log = ownLog(() => postgres.url);

const open = () => connect(postgres.url, log.schema);
async function start(everyMs?: number) {
  const given = { databaseUrl: postgres.url, schema: log.schema, directory: log.directory };
  const sequencer = await startSequencer(everyMs === undefined ? given : { ...given, everyMs });
  return log.started(sequencer);
}

async function holder(): Promise<number> {
  const rows = await log.db.query<{ pid: number }>({
    text: `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted`,
  });
  return rows[0]?.pid ?? 0;
}

it('chains only records older than every running transaction, and skips none', async () => {
  const sequencer = await start();
  const [long, late] = [await open(), await open()];
  await long.query({ text: 'BEGIN' });
  await addEvents(long, 2);
  await addEvents(late, 5);
  await delay(400);
  // `late` is committed, and may not enter before `long` has ended.
  await chained(log.db, 0);
  expect(sequencer.sequenced.some(({ records, seconds }) => records === 0 && seconds > 0)).toBe(
    true,
  );
  await long.query({ text: 'COMMIT' });
  await chained(log.db, 7);
  const [first] = await log.db.query<{ to_id: string }>({
    text: 'SELECT to_id FROM audit_blocks ORDER BY to_xid, to_id LIMIT 1',
  });
  expect(Number(first!.to_id)).toBeGreaterThanOrEqual(1);
  await Promise.all([long.close(), late.close()]);
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records: 7 });
});

it('would skip a row without that wait, and the verifier would find it', async () => {
  const hasty = (own: DedicatedConnection) => ({
    query: <Row>(statement: { text: string; values?: readonly unknown[] }) =>
      own.query<Row>({
        ...statement,
        text: statement.text.replace(' AND xid < pg_snapshot_xmin(pg_current_snapshot())', ''),
      }),
  });
  const [long, late] = [await open(), await open()];
  const options = { shards: design.shards, maxRecords: 100 };
  const chainAll = async () => {
    const heads = await readHeads(log.db, design.shards);
    const batch = await sequenceBatch(hasty(late), { heads, options, nowUs: clock.nowUs() });
    return batch.records;
  };
  await long.query({ text: 'BEGIN' });
  await addEvents(long, 1);
  await addEvents(late, 5);
  expect(await chainAll()).toBe(5);
  await long.query({ text: 'COMMIT' });
  expect(await chainAll()).toBe(0);
  await Promise.all([long.close(), late.close()]);
  const { findings } = await verify(log.db, log.directory);
  expect(findings.map(({ kind }) => kind)).toContain('record-inserted');
});

it('chains interleaved, slow and rolled back transactions; gaps in ids are no gaps in the chain', async () => {
  await start();
  const writers = await Promise.all(Array.from({ length: 6 }, open));
  const kept = await Promise.all(
    writers.map(async (writer, w) => {
      let committed = 0;
      for (let n = 0; n < 25; n += 1) {
        await writer.query({ text: 'BEGIN' });
        await addEvents(writer, 1 + ((w + n) % 3));
        if ((w * 7 + n) % 5 === 0) await delay(30);
        const rollsBack = (w + n) % 4 === 0;
        await writer.query({ text: rollsBack ? 'ROLLBACK' : 'COMMIT' });
        if (!rollsBack) committed += 1 + ((w + n) % 3);
      }
      await writer.close();
      return committed;
    }),
  );
  const records = kept.reduce((sum, one) => sum + one, 0);
  await chained(log.db, records);
  const [ids] = await log.db.query<{ gaps: boolean }>({
    text: 'SELECT max(id) > count(*) AS gaps FROM audit_logs',
  });
  expect(ids!.gaps).toBe(true);
  expect(await verify(log.db, log.directory)).toMatchObject({
    verdict: 'pass',
    records,
    notSequenced: 0,
    findings: [],
  });
});

it('makes one chain when several sequencers work at once without a lock', async () => {
  await addEvents(log.db, 300);
  let conflicts = 0;
  const work = async () => {
    const own = await open();
    await forceIndexScans(own);
    let heads: Heads = await readHeads(own, design.shards);
    for (;;) {
      const batch = await sequenceBatch(own, {
        heads,
        options: { shards: design.shards, maxRecords: 10 },
        nowUs: clock.nowUs(),
      });
      if (batch.heads !== null && batch.records === 0) break;
      if (batch.heads === null) conflicts += 1;
      heads = batch.heads ?? (await readHeads(own, design.shards));
    }
    await own.close();
  };
  await Promise.all([work(), work(), work()]);
  expect(conflicts).toBeGreaterThan(0);
  await chained(log.db, 300);
  await start();
  await expect.poll(() => checkpointsIn(log.directory).last()).not.toBeNull();
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records: 300 });
});

it('passes the lock on when the connection that holds it is killed', async () => {
  const both = [await start(), await start()];
  await addEvents(log.db, 20);
  await chained(log.db, 20);
  expect(both.filter(({ sequenced }) => sequenced.length > 0)).toHaveLength(1);
  const [winner] = both.filter(({ sequenced }) => sequenced.length > 0);
  const [other] = both.filter((one) => one !== winner);
  // The same sequencer may take the lock again, so repeat until the other one has it.
  for (let kills = 0; other!.sequenced.length === 0 && kills < 20; kills += 1) {
    const before = await holder();
    await log.db.query({ text: 'SELECT pg_terminate_backend($1)', values: [before] });
    await expect.poll(holder, { timeout: 10_000 }).toSatisfy((pid) => pid !== 0 && pid !== before);
    await addEvents(log.db, 5);
    await chained(log.db, 20 + 5 * (kills + 1));
  }
  expect(other!.sequenced.length).toBeGreaterThan(0);
  expect(winner!.reports).not.toEqual([]);
  await Promise.all(both.map((one) => one.close()));
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', notSequenced: 0 });
});

it('takes the lock from a stopped process whose connection is open', async () => {
  let isStopped = false;
  const frozen = await startSequencer({
    databaseUrl: postgres.url,
    schema: log.schema,
    directory: log.directory,
    async open() {
      const own = await open();
      return {
        query: (statement) => (isStopped ? new Promise(() => {}) : own.query(statement)),
        close: () => own.close(),
      };
    },
  });
  log.started(frozen);
  await addEvents(log.db, 3);
  await chained(log.db, 3);
  isStopped = true;
  const other = await start();
  await addEvents(log.db, 3);
  await chained(log.db, 6);
  expect(other.sequenced).not.toEqual([]);
  await other.close();
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records: 6 });
});

it('goes on after PostgreSQL was killed and started again', async () => {
  const sequencer = await start();
  await addEvents(log.db, 10);
  await chained(log.db, 10);
  await postgres.kill();
  await delay(300);
  await postgres.startAgain();
  log.db = await open();
  await addEvents(log.db, 10);
  await chained(log.db, 20);
  // Reported, but not once for every attempt.
  expect(sequencer.reports.length).toBeGreaterThan(0);
  expect(sequencer.reports.length).toBeLessThan(6);
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', records: 20 });
});

it('sequences a last batch and checkpoint when it is closed, and does not wait for a database', async () => {
  const slow = await start(60_000);
  await expect.poll(holder).not.toBe(0);
  await delay(100);
  await addEvents(log.db, 7);
  await slow.close();
  await chained(log.db, 7);
  const heads = readCheckpoint(checkpointsIn(log.directory).last()!).shards;
  expect(heads.reduce((sum, { records }) => sum + Number(records), 0)).toBe(7);
  expect(await holder()).toBe(0);
  expect(await verify(log.db, log.directory)).toMatchObject({ verdict: 'pass', checkpoints: 1 });

  const stuck = await startSequencer({
    databaseUrl: 'postgres://x@127.0.0.1:9/x',
    schema: log.schema,
    directory: log.directory,
  });
  await delay(50);
  const startedMs = performance.now();
  await stuck.close();
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

it('signs nothing that contradicts its newest checkpoint', async () => {
  const first = await start();
  await addEvents(log.db, 5);
  await chained(log.db, 5);
  await first.close();
  const signed = checkpointsIn(log.directory).last();
  // An old backup: the same keys and checkpoints beside a log that has less.
  await log.db.query({ text: 'ALTER TABLE audit_blocks DISABLE TRIGGER ALL' });
  await log.db.query({ text: 'DELETE FROM audit_blocks' });
  const second = await start();
  await chained(log.db, 5);
  await second.close();
  expect(second.reports.join()).toContain('no checkpoint is written');
  expect(checkpointsIn(log.directory).last()).toBe(signed);
  expect((await verify(log.db, log.directory)).verdict).toBe('fail');
});
