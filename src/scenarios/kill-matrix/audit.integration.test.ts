/**
 * The kill matrix of the audit log: the real log on a real PostgreSQL, with a defect planted in its code or in the store,
 * under a concurrent load and the fault that reveals the defect. Of turn 3's invariants, the one the defect names must
 * fail, and otherwise only those the defect violates too. Without a defect all pass under every fault. Defects that need
 * a killed gateway are in audit-crash.integration.test.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { verifyLog } from '../../services/audit/chain/verify.ts';
import { type AuditBed, startAuditBed } from '../../services/gateway/audit/fixtures/audit-bed.ts';
import {
  type AuditDefect,
  type AuditTrouble,
  auditDefects,
} from '../../services/gateway/audit/fixtures/audit-defects.ts';
import { openConnection } from '../../services/gateway/clients.ts';
import { openCommitCutter } from '../../services/gateway/fixtures/commit-cutter.ts';
import { eventually } from '../../sim/effects/testbed/fixtures/bed.ts';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { FactRecord } from '../../sim/history.ts';
import {
  countByCheck,
  type KillResult,
  killMatrixText,
} from '../../sim/pure/fixtures/planted-defect.ts';
import { PLANTED_DEFECTS } from '../planted-defects.ts';
import {
  allPass,
  expectedVerdicts,
  judgeAudit,
  readFacts,
  type Verdicts,
} from './fixtures/audit-verdicts.ts';
import { AuditWorkload } from './fixtures/audit-workload.ts';

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
    databaseUrl: postgres.url,
    schema: `matrix${++schemas}`,
    ...(given && { parts: given }),
    ...(under === 'lost-reply' && { logUrl: cutter.urlOf(postgres.url) }),
  });
  const drained = () => eventually('the local log is empty', () => bed.waiting() === 0);
  const faultScripts = {
    away: {
      name: 'postgres-away',
      apply: () => postgres.kill(),
      async undo() {
        expect(bed.waiting()).toBeGreaterThan(0);
        await postgres.startAgain();
        await drained();
      },
    },
    'lost-reply': {
      name: 'lost-reply',
      apply: async () => cutter.cutNext('after'),
      async undo() {
        expect(cutter.isCut()).toBe(true);
        await drained();
      },
    },
  };
  try {
    const workload = new AuditWorkload(bed);
    if (under === 'away' || under === 'lost-reply') {
      await workload.run(operations / 3);
      await workload.runWithFault(faultScripts[under], operations / 3);
      await workload.run(operations / 3);
    } else await workload.run(operations);
    await bed.settle();
    const facts = await readFacts(bed);
    if (given?.tamper) await expectOnlySoundFinds(bed, facts);
    return judgeAudit([...workload.history, ...facts]);
  } finally {
    await bed.stop();
    await cutter.close();
  }
}

/** Asserts that the correct verifier finds the tampering and the defective one hides it. */
async function expectOnlySoundFinds(bed: AuditBed, facts: readonly FactRecord[]) {
  const found = (all: readonly FactRecord[]) =>
    Number(all.find(({ name }) => name === 'audit-chain')!.facts!.findings);
  expect(found(facts)).toBe(0);
  expect(found(await readFacts(bed, verifyLog))).toBeGreaterThan(0);
}

describe('without a defect', () => {
  const faults: AuditTrouble[] = ['none', 'away', 'lost-reply'];
  it.each(faults)('passes under fault: %s', async (under) => {
    expect(await inBed({ under })).toEqual(allPass);
  });
});

describe('planted defects', () => {
  it.each(auditDefects.filter(({ under }) => under !== 'crash'))('$id: $what', async (defect) => {
    const found = await inBed(defect);
    results.push({ ...defect, caught: found[defect.caughtBy] === 'fail' });
    expect(found).toEqual(expectedVerdicts(defect));
  });
});

describe('synchronous_commit = off', () => {
  // A long writer delay keeps unflushed WAL in memory, which the kill loses.
  const lossyPostgres = ownPostgres('kill-matrix-forgetful', { wal_writer_delay: '10s' });

  /** For all connections: existing ones are terminated and reconnect with the new setting. */
  async function disableSyncCommit(): Promise<void> {
    const db = await openConnection(lossyPostgres.url);
    await db.query({ text: 'ALTER ROLE CURRENT_USER SET synchronous_commit = off' });
    await db.query({
      text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE usename = current_user AND pid <> pg_backend_pid()`,
    });
    await db.close();
  }

  async function judgeAfterKill(schema: string, isOff: boolean): Promise<Verdicts> {
    const bed = await startAuditBed({ databaseUrl: lossyPostgres.url, schema });
    try {
      const workload = new AuditWorkload(bed);
      await workload.run(120);
      if (isOff) await disableSyncCommit();
      await workload.run(120);
      // Lets the external checkpoints cover some of it.
      await delay(600);
      await lossyPostgres.kill();
      await lossyPostgres.startAgain();
      // After a loss the sequencer stops, because its checkpoints are ahead of the log.
      if (!isOff) await bed.settle();
      return judgeAudit([...workload.history, ...(await readFacts(bed))]);
    } finally {
      await bed.stop();
    }
  }

  it('loses what was answered when the server is killed, and is caught; on, it does not', async () => {
    expect(await judgeAfterKill('durable', false)).toEqual(allPass);
    const found = await judgeAfterKill('forgetful', true);
    const defect = {
      id: 'synchronous-commit-off',
      what: 'commits are answered before they are in the log of the server, which is killed',
      caughtBy: 'audit-once',
      breaks: ['audit-chain'],
    };
    results.push({ ...defect, caught: found['audit-once'] === 'fail' });
    expect(found).toEqual(expectedVerdicts(defect));
  });
});

it('is what a report says of it', () => {
  expect(countByCheck(results)).toEqual(PLANTED_DEFECTS.audit);
});
