/**
 * The kill matrix of the audit log: the real log on a real PostgreSQL, with a defect planted in the code that runs or in
 * the store, under a concurrent load and the trouble the defect needs to show. The invariants of turn 3 read what the
 * stores say: the one the defect names must fail, and besides it only those the defect breaks as well. The log as it is
 * passes all of them under every trouble. Defects that need a gateway to be killed are in audit-crash.integration.test.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { verifyLog } from '../../services/audit/chain/verify.ts';
import { openConnection } from '../../services/gateway/clients.ts';
import { type AuditBed, startAuditBed } from '../../services/gateway/fixtures/audit-bed.ts';
import {
  type AuditDefect,
  type AuditTrouble,
  auditDefects,
} from '../../services/gateway/fixtures/audit-defects.ts';
import { openCommitCutter } from '../../services/gateway/fixtures/commit-cutter.ts';
import { eventually } from '../../sim/effects/testbed/fixtures/bed.ts';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { EffectRecord } from '../../sim/history.ts';
import { type KillResult, killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import { effectsOf, expectedOf, green, judged, type Verdicts } from './fixtures/audit-judgement.ts';
import { AuditPlay } from './fixtures/audit-play.ts';

const postgres = ownPostgres('kill-matrix-audit');
const results: KillResult[] = [];
let schemas = 0;

afterAll(() => {
  console.log(killMatrixText('audit', results));
});

type Planted = Pick<AuditDefect, 'parts' | 'under' | 'operations'>;

async function inBed({ parts, under = 'none', operations = 240 }: Planted): Promise<Verdicts> {
  const cutter = await openCommitCutter(postgres.port, 'audit-insert');
  const given = parts?.();
  const bed = await startAuditBed({
    ...{ databaseUrl: postgres.url, schema: `matrix${++schemas}` },
    ...(given && { parts: given }),
    ...(under === 'lost-reply' && { logUrl: cutter.urlOf(postgres.url) }),
  });
  const drained = () => eventually('the local log is empty', () => bed.waiting() === 0);
  const troubles = {
    away: {
      name: 'postgres-away',
      begin: () => postgres.kill(),
      async end() {
        expect(bed.waiting()).toBeGreaterThan(0);
        await postgres.startAgain();
        await drained();
      },
    },
    'lost-reply': {
      name: 'lost-reply',
      begin: async () => cutter.cutNext('after'),
      async end() {
        expect(cutter.isCut()).toBe(true);
        await drained();
      },
    },
  };
  try {
    const play = new AuditPlay(bed);
    if (under === 'away' || under === 'lost-reply') {
      await play.run(operations / 3);
      await play.through(troubles[under], operations / 3);
      await play.run(operations / 3);
    } else await play.run(operations);
    await bed.settle();
    const effects = await effectsOf(bed);
    if (given?.tamper) await expectOnlySoundFinds(bed, effects);
    return judged([...play.history, ...effects]);
  } finally {
    await bed.stop();
    await cutter.close();
  }
}

/** The tampering is real, and it is the verifier's defect that hides it. */
async function expectOnlySoundFinds(bed: AuditBed, effects: readonly EffectRecord[]) {
  const found = (all: readonly EffectRecord[]) =>
    Number(all.find(({ name }) => name === 'audit-chain')!.facts!.findings);
  expect(found(effects)).toBe(0);
  expect(found(await effectsOf(bed, verifyLog))).toBeGreaterThan(0);
}

describe('the audit log as it is', () => {
  const troubles: AuditTrouble[] = ['none', 'away', 'lost-reply'];
  it.each(troubles)('passes under trouble: %s', async (under) => {
    expect(await inBed({ under })).toEqual(green);
  });
});

describe('planted defects', () => {
  it.each(auditDefects.filter(({ under }) => under !== 'crash'))('$id: $what', async (defect) => {
    const found = await inBed(defect);
    results.push({ ...defect, caught: found[defect.caughtBy] === 'fail' });
    expect(found).toEqual(expectedOf(defect));
  });
});

describe('synchronous_commit = off', () => {
  // Only what the server has in memory can be lost with it: its log is written out rarely here.
  const forgetful = ownPostgres('kill-matrix-forgetful', { wal_writer_delay: '10s' });

  /** From here on, for everybody: connections that know it otherwise are ended, and come back. */
  async function forget(): Promise<void> {
    const db = await openConnection(forgetful.url);
    await db.query({ text: 'ALTER ROLE CURRENT_USER SET synchronous_commit = off' });
    await db.query({
      text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE usename = current_user AND pid <> pg_backend_pid()`,
    });
    await db.close();
  }

  async function killed(schema: string, isOff: boolean): Promise<Verdicts> {
    const bed = await startAuditBed({ databaseUrl: forgetful.url, schema });
    try {
      const play = new AuditPlay(bed);
      await play.run(120);
      if (isOff) await forget();
      await play.run(120);
      // The checkpoints, which are outside, know of some of it.
      await delay(600);
      await forgetful.kill();
      await forgetful.startAgain();
      // What was lost would stop a sequencer: its checkpoints are ahead of the log.
      if (!isOff) await bed.settle();
      return judged([...play.history, ...(await effectsOf(bed))]);
    } finally {
      await bed.stop();
    }
  }

  it('loses what was answered when the server is killed, and is caught; on, it does not', async () => {
    expect(await killed('durable', false)).toEqual(green);
    const found = await killed('forgetful', true);
    const defect = {
      id: 'synchronous-commit-off',
      what: 'commits are answered before they are in the log of the server, which is killed',
      caughtBy: 'audit-once',
      breaks: ['audit-chain'],
    };
    results.push({ ...defect, caught: found['audit-once'] === 'fail' });
    expect(found).toEqual(expectedOf(defect));
  });
});
