/**
 * One checker on one generated history of a given size, in a process of its own, so that its peak of memory is
 * its own. `node checkers-process.mjs <checker> <operations>` prints one JSON line.
 */

import { checkRecentView } from '../dist/checkers/audit/check-recent-view.js';
import { checkSessions } from '../dist/checkers/sessions/check-sessions.js';
import { recoveries } from '../dist/sim/pure/faults/recovery.js';
import { checkExactlyOnce } from '../dist/sim/pure/judge/check-exactly-once.js';
import { inFlightTotals, littlesLaw } from '../dist/sim/pure/judge/littles-law.js';
import { logicalOperations } from '../dist/sim/pure/measure/logical-operations.js';
import { createRandom } from '../dist/sim/pure/random.js';

/** @typedef {import('../dist/sim/history.js').OperationRecord} OperationRecord */
/** @typedef {import('../dist/sim/history.js').FactRecord} FactRecord */

const random = createRandom(1).fork('checkers');
const STEP_US = 500;
const USERS = Array.from({ length: 10_000 }, (_, index) => `u${index}`);
const TARGETS = Array.from({ length: 4 }, (_, index) => `gateway.${index + 1}`);

/**
 * @param {number} id
 * @param {Partial<OperationRecord>} [fields]
 * @returns {OperationRecord}
 */
function operation(id, fields) {
  const scheduledUs = id * STEP_US;
  const sentUs = scheduledUs + Math.floor(random.next() * 1_000);
  // One literal, as JSON.parse would make it: spreading would cost more than what is measured.
  const record = {
    kind: /** @type {const} */ ('op'),
    id,
    phase: 'measure',
    name: 'check',
    user: USERS[id % USERS.length] ?? '',
    requestId: `run:after:${id}`,
    scheduledUs,
    sentUs,
    doneUs: sentUs + 200 + Math.floor(random.next() * 20_000),
    outcome: /** @type {const} */ ('ok'),
    status: 200,
    target: TARGETS[id % TARGETS.length] ?? '',
  };
  return fields === undefined ? record : Object.assign(record, fields);
}

/** @param {OperationRecord} cause @returns {FactRecord} */
function factOf({ requestId, user, sentUs, id }) {
  const occurredAtUs = 1_700_000_000_000_000 + sentUs;
  return { kind: 'effect', name: 'audit', requestId, user, occurredAtUs, id: String(id) };
}

/** @template T @param {number} count @param {(id: number) => T} make @returns {T[]} */
const many = (count, make) => Array.from({ length: count }, (_, id) => make(id));

/**
 * Each prepares its history, and returns the check with whether it must hold.
 * @type {Record<string, (operations: number) => () => boolean>}
 */
const checkers = {
  // One session for every 50 operations; in its second half it is logged out, and its uses are refused.
  sessions(count) {
    const sessions = Math.max(1, Math.floor(count / 50));
    const events = many(count, (id) => {
      const subject = `s${id % sessions}`;
      const round = Math.floor(id / sessions);
      if (round === 25)
        return { kind: /** @type {const} */ ('revoke'), subject, operation: operation(id) };
      if (round < 25)
        return { kind: /** @type {const} */ ('accepted'), subject, operation: operation(id) };
      // Far enough behind the logout that no answer overlaps it.
      const late = operation(id, { outcome: 'fail', status: 401 });
      const [sentUs, doneUs] = [late.sentUs + 1e9, late.doneUs + 1e9];
      return {
        kind: /** @type {const} */ ('refused'),
        subject,
        operation: { ...late, sentUs, doneUs },
      };
    });
    return () => {
      const found = checkSessions({
        events,
        mustHaveSeen: { targets: TARGETS, afterRevoke: 100, live: 100 },
      });
      return found.acceptedLate === 0 && found.lost === 0 && found.notSeen === null;
    };
  },
  'exactly-once'(count) {
    const operations = many(count, (id) => operation(id));
    const facts = operations.map(factOf);
    return () => checkExactlyOnce({ operations, facts }).verdict === 'pass';
  },
  // Every twentieth operation reads a page of the 20 latest actions of its user.
  'recent-view'(count) {
    const operations = many(count, (id) => operation(id));
    const actions = operations.filter(({ id }) => id % 20 !== 0);
    const facts = actions.map(factOf);
    /** @type {Map<string, FactRecord[]>} */
    const shown = new Map();
    for (const fact of facts) {
      const list = shown.get(fact.user);
      if (list === undefined) shown.set(fact.user, [fact]);
      else list.push(fact);
    }
    for (const list of shown.values()) list.sort((a, b) => b.occurredAtUs - a.occurredAtUs);
    const endUs = count * STEP_US + 1e9;
    const reads = operations
      .filter(({ id }) => id % 20 === 0)
      .map((one, index) => {
        const user = actions[index % actions.length]?.user ?? one.user;
        const read = { ...one, user, sentUs: endUs, doneUs: endUs + 500 };
        return { operation: read, items: (shown.get(user) ?? []).slice(0, 20), pageSize: 20 };
      });
    return () =>
      checkRecentView({ reads, operations, facts, stalenessUs: 1_000_000 }).verdict === 'pass';
  },
  little(count) {
    const operations = many(count, (id) => operation(id));
    const ledger = inFlightTotals(operations);
    return () => littlesLaw(operations, ledger).ok;
  },
  // One operation in ten was retried once.
  attempts(count) {
    const operations = many(count, (id) =>
      id % 11 === 10 ? operation(id, { attempt: 2, retryOf: id - 1 }) : operation(id),
    );
    return () => logicalOperations(operations).length === count - Math.floor(count / 11);
  },
  recovery(count) {
    const endUs = count * STEP_US;
    const [startUs, healedUs] = [endUs * 0.4, endUs * 0.5];
    const operations = many(count, (id) =>
      id < count * 0.3
        ? operation(id, { phase: 'baseline' })
        : id >= count * 0.4 && id < count * 0.5
          ? operation(id, { status: 503, outcome: 'unknown' })
          : operation(id),
    );
    const phase = { kind: /** @type {const} */ ('phase'), startUs: 0, judged: true };
    const fault = {
      startUs,
      endUs: healedUs,
      outcome: /** @type {const} */ ('healed'),
      detail: '',
    };
    return () => {
      const phases = [{ ...phase, name: 'baseline', endUs: endUs * 0.3 }];
      const faults = [{ ...fault, name: 'kill' }];
      const [found] = recoveries({ operations, faults, phases, baseline: 'baseline' });
      return count < 100_000 || found?.recoverUs !== null;
    };
  },
};

const MEGABYTE = 1_048_576;
const [, , name = '', size = ''] = process.argv;
const check = checkers[name]?.(Number(size));
if (check === undefined) throw new Error(`no checker ${name}: ${Object.keys(checkers).join(', ')}`);
globalThis.gc?.();
const inputMb = process.memoryUsage().rss / MEGABYTE;
// Once to warm up, so that small sizes are not judged on the compiler; then until the clock of CPU time is exact enough.
let holds = check();
let rounds = 0;
let cpuMs = 0;
while (cpuMs < 100) {
  globalThis.gc?.();
  const from = process.cpuUsage();
  holds = check() && holds;
  const { user, system } = process.cpuUsage(from);
  rounds += 1;
  cpuMs += (user + system) / 1_000;
}
const peakMb = process.resourceUsage().maxRSS / 1_024;
console.log(JSON.stringify({ cpuMs: cpuMs / rounds, inputMb, peakMb, holds }));
