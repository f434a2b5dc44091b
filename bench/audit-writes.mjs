/**
 * The writer of the gateway without the gateway: group commit, sealed personal fields, one event after another from
 * many callers that each wait for the commit.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { createSubjectKeys } from '../dist/services/audit/subject-keys.js';
import { createGroupCommit } from '../dist/services/audit/writers/group-commit.js';
import { createAuditInsert } from '../dist/services/audit/writers/insert.js';
import { isoFromUs, timeOrderedId } from '../dist/services/ports.js';
import { design, wallClock } from './audit-bed.mjs';

/**
 * @typedef {import('../dist/services/audit/contract.js').AuditEvent} AuditEvent
 * @typedef {import('../dist/services/audit/contract.js').AuditWriter} AuditWriter
 */

export const noObserver = { onFlush() {}, onSequenced() {}, onSpill() {}, onCacheRead() {} };

/**
 * Events as rows, so many in one statement as it is given.
 * @param {import('../dist/services/ports.js').Database} db
 */
export function openInsert(db) {
  const subjects = createSubjectKeys({ db, wrappingKey: randomBytes(32), clock: wallClock });
  return createAuditInsert({ db, subjects });
}

/**
 * @param {import('../dist/services/ports.js').Database} db
 * @returns {AuditWriter}
 */
export function openWriter(db) {
  const { writer } = design.audit;
  if (writer.kind !== 'group-commit') throw new Error(`${design.name} has no group commit`);
  return createGroupCommit({
    ...{ clock: wallClock, observer: noObserver, localLog: null },
    insert: openInsert(db),
    design: writer,
    report: (error) => console.error(error.message),
  });
}

const actions = ['project.read', 'project.list', 'project.create', 'activity.read', 'session.read'];
const browser = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36';

/**
 * An event as an ordinary request makes it, of one of so many users; five users make an organisation.
 * @param {number} users
 * @param {() => number} random
 * @returns {AuditEvent}
 */
export function makeEvent(users, random) {
  const nowUs = wallClock.nowUs();
  const user = 1 + Math.floor(random() * users);
  const action = actions[Math.floor(random() * actions.length)] ?? 'project.read';
  const denied = random() < 0.02;
  const uuid = randomUUID();
  // A plain literal: spreads would cost more than the writer.
  return {
    eventId: timeOrderedId(nowUs, uuid),
    occurredAt: isoFromUs(nowUs),
    organisationId: `${1 + Math.floor(user / 5)}`,
    userId: `${user}`,
    sessionHash: user.toString(16).padStart(8, '0').repeat(4),
    keyId: null,
    agent: null,
    action,
    resourceType: action.slice(0, action.indexOf('.')),
    resourceId: action === 'project.read' ? uuid : null,
    outcome: denied ? 'denied' : 'success',
    reason: denied ? 'rate-limited' : null,
    requestId: uuid,
    region: 'us',
    service: 'gateway-1',
    personal: { ip: `10.0.${user >> 8}.${user & 255}`, userAgent: browser },
  };
}

/**
 * The same again and again by so many callers at a time; each waits for its own before it begins the next.
 * @param {() => Promise<void>} one
 * @param {{ callers: number, more: () => boolean }} given
 */
export async function write(one, { callers, more }) {
  let done = 0;
  const caller = async () => {
    while (more()) {
      await one();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return done;
}
