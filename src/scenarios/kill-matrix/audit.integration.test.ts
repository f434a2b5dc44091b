/**
 * The kill matrix of the audit log: the real log on a real PostgreSQL with one part replaced by a defective one, under
 * a concurrent load and the trouble the defect needs to show. The invariants of turn 3 read the history, and the one
 * the defect names must fail. The log as it is passes all of them under every trouble.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { openConnection } from '../../services/gateway/clients.ts';
import { type AuditBed, startAuditBed } from '../../services/gateway/fixtures/audit-bed.ts';
import {
  type AuditDefect,
  type AuditTrouble,
  auditDefects,
} from '../../services/gateway/fixtures/audit-defects.ts';
import { ownPostgres } from '../../sim/effects/testbed/fixtures/stores.ts';
import type {
  EffectRecord,
  FaultRecord,
  HistoryRecord,
  OperationRecord,
} from '../../sim/history.ts';
import { type KillResult, killMatrixText } from '../../sim/pure/fixtures/planted-defect.ts';
import type { Verdict } from '../../sim/result.ts';
import { auditAtomic, auditChain, auditOnce, auditOrder } from '../audit-invariants.ts';

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

/** What the clients of a bed saw. */
class Play {
  readonly history: OperationRecord[] = [];
  readonly faults: FaultRecord[] = [];
  readonly #bed: AuditBed;
  readonly #startedMs = performance.now();

  constructor(bed: AuditBed) {
    this.#bed = bed;
  }

  /** Reads, denials and changes, in turn; each client waits for its answer. */
  async run(count: number): Promise<void> {
    let next = this.history.length;
    const last = next + count;
    const client = async () => {
      while (next < last) this.history.push(await this.#operation(next++));
    };
    await Promise.all(Array.from({ length: count > 1_000 ? 256 : 16 }, client));
  }

  async underTrouble(trouble: AuditTrouble, count: number): Promise<void> {
    const third = Math.ceil(count / 3);
    await this.run(third);
    if (trouble === 'away') {
      this.#fault('apply');
      this.#bed.away = true;
      await this.run(third);
      this.#bed.away = false;
      this.#fault('healed');
      await delay(600);
    } else await this.run(third);
    await this.run(third);
  }

  async #operation(id: number): Promise<OperationRecord> {
    const name = (['read', 'read', 'denied', 'create'] as const)[id % 4]!;
    const user = String(1 + (id % this.#bed.users));
    const sentUs = this.#nowUs();
    const requestId = `bed:${id}`;
    const status = await this.#bed.act({ kind: name, user, requestId });
    return {
      ...{ kind: 'op', id, phase: 'play', name, user, requestId, scheduledUs: sentUs, sentUs },
      ...{ doneUs: this.#nowUs(), status },
      outcome: status < 400 ? 'ok' : status < 500 ? 'fail' : 'unknown',
    };
  }

  #fault(event: FaultRecord['event']): void {
    this.faults.push({ kind: 'fault', name: 'postgres-away', event, atUs: this.#nowUs() });
  }

  #nowUs(): number {
    return Math.round((performance.now() - this.#startedMs) * 1_000);
  }
}

const effectsOf = async (bed: AuditBed) =>
  (await bed.effects()).map((one) => ({ kind: 'effect', ...one }) as EffectRecord);

async function verdicts(defect: Partial<AuditDefect>): Promise<Map<string, Verdict>> {
  const bed = await startAuditBed({
    databaseUrl: postgres.url,
    schema: `matrix${++schemas}`,
    ...(defect.parts && { parts: defect.parts() }),
  });
  try {
    const play = new Play(bed);
    await play.underTrouble(defect.under ?? 'none', defect.operations ?? 240);
    await bed.settle();
    const effects = await effectsOf(bed);
    return judged([...play.history, ...play.faults, ...(defect.seen?.(effects) ?? effects)]);
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
    const play = new Play(bed);
    await play.run(120);
    await forgetful.kill();
    await bed.stop();
    await forgetful.startAgain();
    return judged([...play.history, ...(await effectsOf(bed))]);
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
