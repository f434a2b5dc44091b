/**
 * Streams the records of a history, plain or gzipped. Every line is validated, so that no verdict rests on a truncated or
 * foreign file: the first invalid line throws with its number.
 */
import { createReadStream } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FaultEvidence, HistoryRecord } from '../../../history.ts';

/** Longer than a record with its captured body. */
const MAX_LINE_BYTES = 4_194_304;

export class CorruptHistory extends Error {
  readonly line: number;

  constructor(file: string, line: number, why: string, options?: { cause?: unknown }) {
    super(`${file}: line ${line}: ${why}`, options);
    this.name = 'CorruptHistory';
    this.line = line;
  }
}

export async function* readHistory(file: string): AsyncGenerator<HistoryRecord> {
  let line = 0;
  try {
    for await (const text of createInterface({ input: open(file), crlfDelay: Infinity })) {
      line += 1;
      if (text === '') continue;
      yield parseRecord(file, line, text);
    }
  } catch (cause) {
    if (cause instanceof CorruptHistory || isMissing(cause)) throw cause;
    throw new CorruptHistory(file, line + 1, (cause as Error).message, { cause });
  }
}

function open(file: string): Readable {
  const bytes = createReadStream(file);
  if (!file.endsWith('.gz')) return bytes;
  const gunzip = createGunzip();
  bytes.once('error', (error) => gunzip.destroy(error));
  return bytes.pipe(gunzip);
}

/** Cuts the line that a killed writer left unfinished; makes the file if there is none. */
export async function keepWholeLines(file: string): Promise<void> {
  const handle = await openFile(file, 'a+');
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(Math.min(size, MAX_LINE_BYTES));
    await handle.read(tail, 0, tail.length, size - tail.length);
    const end = tail.lastIndexOf('\n');
    await handle.truncate(size - tail.length + end + 1);
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall === 'open';
}

function parseRecord(file: string, line: number, text: string): HistoryRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CorruptHistory(file, line, 'not JSON', { cause });
  }
  const record = value as Record<string, unknown> | null;
  const kind = String(record?.kind);
  if (record === null || !Object.hasOwn(FIELDS, kind)) {
    throw new CorruptHistory(file, line, 'not a record of a history');
  }
  const fields = FIELDS[kind as HistoryRecord['kind']];
  for (const [name, type] of Object.entries(fields)) {
    const given = record[name];
    const isValid = TYPE_CHECKS[type](given);
    if (!isValid && !(OPTIONAL.has(name) && given === undefined)) {
      throw new CorruptHistory(file, line, `${record.kind} needs ${name} (${type})`);
    }
  }
  const choices = CHOICES[kind];
  if (choices && !choices.values.includes(String(record[choices.name]))) {
    throw new CorruptHistory(file, line, `${choices.name} cannot be ${record[choices.name]}`);
  }
  return value as HistoryRecord;
}

type FieldType =
  | 'string'
  | 'whole'
  | 'whole or null'
  | 'number or null'
  | 'list or null'
  | 'object or null'
  | 'boolean'
  | 'list'
  | 'object'
  | 'object of strings'
  | 'object of facts'
  | 'list of evidence';
const TYPE_CHECKS: Readonly<Record<FieldType, (given: unknown) => boolean>> = {
  string: (given) => typeof given === 'string',
  whole: Number.isSafeInteger,
  'whole or null': (given) => given === null || Number.isSafeInteger(given),
  'number or null': (given) => given === null || Number.isFinite(given),
  'list or null': (given) => given === null || Array.isArray(given),
  'object or null': (given) => given === null || isObject(given),
  boolean: (given) => typeof given === 'boolean',
  list: Array.isArray,
  object: isObject,
  'object of strings': (given) => isObjectOf(given, ['string']),
  'object of facts': (given) => isObjectOf(given, ['string', 'number']),
  'list of evidence': (given) => Array.isArray(given) && given.every(isEvidence),
};
const OPTIONAL = new Set([
  'error',
  'body',
  'headers',
  'detail',
  'evidence',
  'subject',
  'target',
  'attempt',
  'retryOf',
  'facts',
  'counts',
  'comparison',
  'limits',
]);

/** Every field of every kind; the compiler rejects a missing field and an unknown name. */
type Fields<Record> = { readonly [Name in keyof Omit<Record, 'kind'>]-?: FieldType };
const FIELDS: { readonly [Kind in HistoryRecord['kind']]: Fields<HistoryRecord & { kind: Kind }> } =
  {
    run: {
      runId: 'string',
      scenario: 'string',
      startedAt: 'string',
      command: 'string',
      options: 'object',
      environment: 'object',
    },
    end: {
      durationMs: 'whole',
      aborted: 'boolean',
      arms: 'list',
      versions: 'object of strings',
      comparison: 'object',
    },
    measured: {
      phaseNotes: 'object of strings',
      costs: 'list',
      search: 'list or null',
      evidence: 'object or null',
      calibration: 'list',
      resources: 'object',
      resourceTimeline: 'object',
      databaseCpuPercent: 'number or null',
      otherCpu: 'object or null',
      totals: 'object',
      limits: 'list',
    },
    arm: { arm: 'string', design: 'string', seed: 'whole', originAt: 'string' },
    op: {
      id: 'whole',
      phase: 'string',
      name: 'string',
      user: 'string',
      requestId: 'string',
      scheduledUs: 'whole',
      sentUs: 'whole',
      doneUs: 'whole',
      outcome: 'string',
      status: 'whole',
      error: 'string',
      body: 'string',
      headers: 'object of strings',
      subject: 'string',
      target: 'string',
      attempt: 'whole',
      retryOf: 'whole',
    },
    phase: { name: 'string', startUs: 'whole', endUs: 'whole', judged: 'boolean' },
    fault: {
      name: 'string',
      event: 'string',
      atUs: 'whole',
      detail: 'string',
      evidence: 'list of evidence',
    },
    effect: {
      name: 'string',
      requestId: 'string',
      user: 'string',
      occurredAtUs: 'whole',
      id: 'string',
      subject: 'string',
      facts: 'object of facts',
    },
    arrival: {
      node: 'string',
      endpoint: 'string',
      atUs: 'whole',
      doneUs: 'whole or null',
      method: 'string',
      path: 'string',
      headers: 'object of strings',
      body: 'string',
      truncated: 'boolean',
      behaviour: 'string',
      status: 'whole',
    },
    metric: { name: 'string', phase: 'string', process: 'string', counts: 'object of facts' },
    rest: { when: 'string', atUs: 'whole', process: 'string', counts: 'object of facts' },
  };

const CHOICES: Readonly<
  Record<string, { readonly name: string; readonly values: readonly string[] }>
> = {
  op: { name: 'outcome', values: ['ok', 'fail', 'unknown'] },
  rest: { name: 'when', values: ['before', 'after'] },
  fault: { name: 'event', values: ['apply', 'landed', 'decision', 'measured', 'undo', 'healed'] },
};

function isObject(given: unknown): given is Readonly<Record<string, unknown>> {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

function isEvidence(given: unknown): boolean {
  const { what, value, atLeast, atMost } = (given ?? {}) as Partial<FaultEvidence>;
  const isBound = (bound: unknown) => bound === undefined || typeof bound === 'number';
  const isMeasured = value === null || typeof value === 'number';
  return typeof what === 'string' && isMeasured && isBound(atLeast) && isBound(atMost);
}

function isObjectOf(given: unknown, types: readonly string[]): boolean {
  if (!isObject(given)) return false;
  return Object.values(given).every((value) => types.includes(typeof value));
}
