import { describe, expect, it } from 'vitest';
import { culpritCalls, type DiagnosisInput, diagnose, readPlan } from './diagnose.ts';

const PLAN = `Seq Scan on audit_logs  (cost=0.00..31634.00 rows=176 width=116) (actual time=0.022..72.230 rows=797 loops=1)
  Filter: (user_id = '77'::bigint)
  Rows Removed by Filter: 999203
  Buffers: shared hit=19134
Execution Time: 72.275 ms`;

const culprit = 'SELECT * FROM audit_logs WHERE user_id';
const input: DiagnosisInput = {
  culprit,
  operations: 500,
  databaseCpuPercent: 92.4,
  statements: [
    { query: `${culprit} = $1`, calls: 500, totalMs: 34_000, rows: 100_000 },
    { query: 'SELECT id FROM projects WHERE owner_id = $1', calls: 200, totalMs: 100, rows: 600 },
  ],
  allStatementsMs: 34_200,
  waitSamples: { CPU: 1_900, 'Client:ClientWrite': 40, 'Lock:transactionid': 2 },
  lockWaits: { blocked: 1, samples: 210 },
  deadlocks: 0,
  plan: { query: `${culprit} = $1`, text: PLAN },
  poolWaitP99Us: 2_900_000,
  eventLoopDelayP99Us: 80_000,
  latencyP99Us: 3_900_000,
};

describe('diagnose', () => {
  it('names the query, its share, its calls per request and the scan behind it', () => {
    const { finding, queries, plan } = diagnose(input);
    expect(finding).toContain(culprit);
    expect(finding).toContain('99 % of database time (1.00 calls per request, 68.0 ms a call)');
    expect(finding).toContain('sequential scan that throws away 999,203 rows');
    expect(finding).toContain('database CPU stood at 92 %');
    expect(queries[0]).toMatchObject({ culprit: true, calls: 500 });
    expect(plan).toMatchObject({ node: 'Seq Scan', rowsRemoved: 999_203 });
  });

  it('rules out locks with their evidence, and does not when backends do wait for them', () => {
    const locks = diagnose(input).ruledOut.find(({ cause }) => cause === 'lock contention');
    expect(locks?.evidence).toContain('0.1 % of 1942 samples');
    expect(locks?.evidence).toContain('1 of 210 looks at pg_locks');
    const contended = { ...input, waitSamples: { CPU: 100, 'Lock:transactionid': 900 } };
    const causes = diagnose(contended).ruledOut.map(({ cause }) => cause);
    expect(causes).not.toContain('lock contention');
    const deadlocked = diagnose({ ...input, deadlocks: 1 }).ruledOut;
    expect(deadlocked.map(({ cause }) => cause)).not.toContain('lock contention');
  });

  it('rules nothing out without samples', () => {
    const blind = { ...input, waitSamples: {}, eventLoopDelayP99Us: null };
    expect(diagnose(blind).ruledOut).toEqual([]);
  });

  it('blames no query that merely comes first', () => {
    const statements = [{ query: 'INSERT INTO audit_logs', calls: 500, totalMs: 90, rows: 500 }];
    const { finding, queries } = diagnose({
      ...input,
      statements,
      allStatementsMs: 100,
    });
    expect(finding).toMatch(/^No query stands out/);
    expect(queries[0]?.culprit).toBe(false);
  });

  it('states missing statement statistics', () => {
    expect(diagnose({ ...input, statements: null }).finding).toMatch(/no statement statistics/);
  });
});

describe('readPlan', () => {
  it('prefers the sequential scan among several nodes, and sums what filters removed', () => {
    const text = `Nested Loop\n -> Index Scan using x\n -> Seq Scan on y\n Rows Removed by Filter: 5\n Rows Removed by Filter: 7`;
    expect(readPlan({ query: 'q', text })).toMatchObject({ node: 'Seq Scan', rowsRemoved: 12 });
  });
});

describe('culpritCalls', () => {
  it('counts calls of the documented statement only', () => {
    expect(culpritCalls(input)).toBe(500);
    expect(culpritCalls({ culprit, statements: [] })).toBe(0);
    expect(culpritCalls({ culprit, statements: null })).toBeNull();
  });
});
