/**
 * The kill matrix of the audit log: the real log on a real PostgreSQL with one part replaced by a defective one, under
 * a concurrent load and the trouble the defect needs to show. The invariants of turn 3 read the history, and the one
 * the defect names must fail. The log as it is passes all of them under every trouble.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { openConnection } from '../../services/gateway/clients.ts';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import type { HistoryRecord } from '../../sim/history.ts';
import { type KillResult, killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import type { Verdict } from '../../sim/result.ts';
import { auditAtomic, auditChain, auditOnce, auditOrder } from '../audit-invariants.ts';
import { type AuditBed, startAuditBed } from './fixtures/audit-bed.ts';
import { type AuditDefect, type AuditTrouble, auditDefects } from './fixtures/audit-defects.ts';

const postgres = ownPostgres('kill-matrix-audit');
const actions = { read: 'project.read', denied: 'project.read', create: 'project.create' };
const invariants = [
  auditOnce({ actions, denials: 10 }),
  auditAtomic,
  auditOrder({ away: ['postgres-away'] }),
  auditChain,
];
const results: KillResult[] = [];
let schemas = 0;

afterAll(() => {
  console.log(killMatrixText('audit', results));
});

async function underTrouble(bed: AuditBed, trouble: AuditTrouble, count: number): Promise<void> {
  const fault = (event: 'apply' | 'landed' | 'healed') =>
    bed.faults.push({ kind: 'fault', name: 'postgres-away', event, atUs: bed.nowUs() });
  const third = Math.ceil(count / 3);
  await bed.play(third, count > 1_000 ? 256 : 16);
  if (trouble === 'away') {
    fault('apply');
    bed.away = true;
    fault('landed');
    await bed.play(third);
    bed.away = false;
    fault('healed');
    await delay(600);
  } else await bed.play(third, count > 1_000 ? 256 : 16);
  await bed.play(third, count > 1_000 ? 256 : 16);
}

async function verdicts(defect: Partial<AuditDefect>): Promise<Map<string, Verdict>> {
  const bed = await startAuditBed({
    databaseUrl: postgres.url,
    schema: `matrix${++schemas}`,
    ...(defect.parts && { parts: defect.parts() }),
  });
  try {
    await underTrouble(bed, defect.under ?? 'none', defect.operations ?? 240);
    await bed.settle();
    const effects = await bed.effects();
    return judged([...bed.history, ...bed.faults, ...(defect.seen?.(effects) ?? effects)]);
  } finally {
    await bed.stop();
  }
}

function judged(history: readonly HistoryRecord[]): Map<string, Verdict> {
  return new Map(invariants.map(({ id, check }) => [id, check(history).verdict]));
}

describe('the audit log as it is', () => {
  it.each<AuditTrouble>(['none', 'away', 'crash'])('passes under trouble: %s', async (under) => {
    expect(Object.fromEntries(await verdicts({ under }))).toEqual({
      ...{ 'audit-once': 'pass', 'audit-atomic': 'pass' },
      ...{ 'audit-order': 'pass', 'audit-chain': 'pass' },
    });
  });
});

describe('planted defects', () => {
  it.each(auditDefects)('$id: $what', async (defect) => {
    const found = await verdicts(defect);
    results.push({ ...defect, caught: found.get(defect.caughtBy) === 'fail' });
    expect(found.get(defect.caughtBy)).toBe('fail');
  });
});

describe('synchronous_commit = off', () => {
  // Only what the server has in memory can be lost with it: its log is written out rarely here.
  const forgetful = ownPostgres('kill-matrix-forgetful', { wal_writer_delay: '10s' });

  /** Answers until the server is killed, and what is on record when it is back. */
  async function killedAfterAnswers(schema: string): Promise<Map<string, Verdict>> {
    const bed = await startAuditBed({ databaseUrl: forgetful.url, schema });
    await bed.play(120);
    await forgetful.kill();
    await bed.stop();
    await forgetful.startAgain();
    return judged([...bed.history, ...(await bed.effects())]);
  }

  it('loses what was answered when the server is killed, and is caught; on, it does not', async () => {
    expect((await killedAfterAnswers('durable')).get('audit-once')).toBe('pass');
    const db = await openConnection(forgetful.url);
    await db.query({ text: 'ALTER ROLE CURRENT_USER SET synchronous_commit = off' });
    await db.close();
    const found = await killedAfterAnswers('forgetful');
    const defect = {
      id: 'synchronous-commit-off',
      what: 'commits are answered before they are in the log of the server, which is killed',
      caughtBy: 'audit-once',
    };
    results.push({ ...defect, caught: found.get('audit-once') === 'fail' });
    expect(found.get('audit-once')).toBe('fail');
  });
});
