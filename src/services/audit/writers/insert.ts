/**
 * Inserts events, one statement for any number, with an array parameter per column. A conflict on the event's key
 * means that an earlier attempt was committed: then only the missing events are inserted. ON CONFLICT is not used at
 * first, because it makes every insert slower and conflicts are rare. In the transaction of a change a conflict is an
 * error: an event that is already stored belongs to a change that was committed before.
 *
 * Each statement names the count of erasures its keys were read at. If a subject was erased since, it writes nothing, and
 * the events are sealed again under keys that are read again (subject-keys.ts).
 */
import { type Database, ServiceError } from '../../ports.ts';
import type { AuditEvent } from '../contract.ts';
import type { KeySet, SubjectKeys } from '../subject-keys.ts';

const columns = [
  ['event_id', 'uuid'],
  ['occurred_at', 'timestamptz'],
  ['organisation_id', 'bigint'],
  ['user_id', 'bigint'],
  ['session_hash', 'text'],
  ['key_id', 'bigint'],
  ['agent', 'smallint'],
  ['action', 'text'],
  ['resource_type', 'text'],
  ['resource_id', 'text'],
  ['outcome', 'text'],
  ['reason', 'text'],
  ['request_id', 'text'],
  ['client_request_id', 'text'],
  ['region', 'text'],
  ['service', 'text'],
  ['sealed', 'bytea'],
  ['change', 'text'],
] as const;

const insertInto = `INSERT INTO audit_logs (${columns.map(([name]) => name).join(', ')})`;
const arrayParameters = columns.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ');
const scalarParameters = columns.map(([, type], index) => `$${index + 1}::${type}`).join(', ');

/** Writes at one count of erasures only; returns the present one. */
const writeAtCount = (rows: string, onConflict = ''): string =>
  `WITH written AS (${insertInto} ${rows}
     WHERE EXISTS (SELECT FROM audit_erasures WHERE number = $${columns.length + 1}) ${onConflict})
   SELECT number FROM audit_erasures`;
const fromArrays = `SELECT * FROM unnest(${arrayParameters})`;

const insertNew = { name: 'audit-insert', text: writeAtCount(fromArrays) };
const insertMissing = {
  name: 'audit-insert-missing',
  text: writeAtCount(fromArrays, 'ON CONFLICT (event_id, occurred_at) DO NOTHING'),
};
const insertOne = { name: 'audit-insert-in', text: writeAtCount(`SELECT ${scalarParameters}`) };

/** Erasures are rare; one between each read of the keys and its insert means that something else is wrong. */
const MAX_ATTEMPTS = 10;

export interface AuditInsert {
  /** Resolves when all are committed, each once, also after earlier attempts. */
  many(events: readonly AuditEvent[]): Promise<void>;
  /** In the caller's transaction. */
  inTransaction(tx: Database, event: AuditEvent): Promise<void>;
  /** Rejects while PostgreSQL is unavailable. */
  ping(): Promise<void>;
}

export function createAuditInsert(options: { db: Database; subjects: SubjectKeys }): AuditInsert {
  const { db, subjects } = options;

  /** `write` gets keys, and returns the count of erasures it found. */
  const writeSealed = async (
    readKeys: () => Promise<KeySet>,
    write: (set: KeySet) => Promise<number>,
  ): Promise<void> => {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const set = await readKeys();
      if ((await write(set)) === set.erasures) return;
      subjects.forgetKeys();
    }
    throw new Error(
      `subjects were erased at each of ${MAX_ATTEMPTS} attempts to write their events`,
    );
  };

  const insertAll = async (events: readonly AuditEvent[], { keys, erasures }: KeySet) => {
    const rows = events.map((event) => rowOf(event, sealedFields(keys, event)));
    const values = [...columns.map((_, index) => toArrayLiteral(rows, index)), erasures];
    try {
      return countOf(await db.query({ ...insertNew, values }));
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
      return countOf(await db.query({ ...insertMissing, values }));
    }
  };

  return {
    many(events) {
      const userIds = events.map(({ userId }) => userId);
      return writeSealed(
        () => subjects.getKeys(userIds),
        (set) => insertAll(events, set),
      );
    },
    inTransaction: (tx, event) =>
      writeSealed(
        () => subjects.getKeyInTransaction(tx, event.userId),
        async ({ keys, erasures }) => {
          const values = [...rowOf(event, sealedFields(keys, event)), erasures];
          return countOf(await tx.query({ ...insertOne, values }));
        },
      ),
    async ping() {
      await db.query({ name: 'audit-probe', text: 'SELECT 1' });
    },
  };
}

const sealedFields = (keys: KeySet['keys'], { userId, personal, occurredAt }: AuditEvent) =>
  keys.get(userId)!.seal(personal, occurredAt);

const countOf = ([found]: readonly unknown[]): number =>
  Number((found as { number: string } | undefined)?.number);

const UNIQUE_VIOLATION = '23505';

/** A column of the rows as a PostgreSQL array literal; faster than the client's own, which inspects the type of every value. */
function toArrayLiteral(rows: readonly (readonly unknown[])[], columnIndex: number): string {
  const isUnquoted = unquotedTypes.has(columns[columnIndex]![1]);
  let text = '';
  for (const row of rows) {
    const value = row[columnIndex];
    // Undefined: an event from before the field was added, in a local log or a queue.
    const element =
      value === null || value === undefined
        ? 'NULL'
        : isUnquoted
          ? `${value}`
          : quoteElement(value);
    text = text === '' ? element : `${text},${element}`;
  }
  return `{${text}}`;
}

/** Their values need no quoting in an array literal. */
const unquotedTypes: ReadonlySet<string> = new Set(['uuid', 'timestamptz', 'bigint', 'smallint']);

function quoteElement(value: unknown): string {
  if (value instanceof Buffer) return `"\\\\x${value.toString('hex')}"`;
  const element = String(value);
  return specialCharacter.test(element) ? `"${element.replace(/["\\]/g, '\\$&')}"` : `"${element}"`;
}

const specialCharacter = /["\\]/;

/** In the order of `columns`. */
const rowOf = (event: AuditEvent, sealed: Buffer | null): unknown[] => [
  event.eventId,
  event.occurredAt,
  event.organisationId,
  event.userId,
  event.sessionHash,
  event.keyId,
  event.agent,
  event.action,
  event.resourceType,
  event.resourceId,
  event.outcome,
  event.reason,
  event.requestId,
  // A local log that an earlier version left does not have these.
  event.clientRequestId ?? null,
  event.region,
  event.service,
  sealed,
  event.change ?? null,
];

export const auditUnavailable = (cause: unknown): ServiceError =>
  new ServiceError(
    {
      status: 503,
      code: 'audit-unavailable',
      detail: 'The action could not be recorded, so it is not confirmed.',
      headers: { 'retry-after': '1' },
    },
    { cause },
  );
