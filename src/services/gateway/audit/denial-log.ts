/**
 * Denials that have no event of their own, because they were refused before it was known whose they are: counted, and
 * recorded as events with the count, in the tenant where one is known and in the platform's own otherwise. The first of
 * a kind is recorded at once, those after it at the end of the minute. A kind is the address, the action, the reason and
 * the credential.
 *
 * Whatever a stranger sends, a process writes at most two events a minute for each of `MAX_KINDS` kinds, and one
 * for each reason beyond them, without address. A process that is killed loses what it counted since the minute began,
 * but never that there was something.
 */
import type { AuditEvent, AuditWriter, PersonalFields } from '../../audit/contract.ts';
import { PLATFORM_TENANT } from '../../platform-tenant.ts';
import { type Clock, isoFromUs, type Random, timeOrderedId } from '../../ports.ts';

/** `resourceType` of these events; `resourceId` is the count. */
export const DENIALS = 'denials';
const REQUEST_ID_PREFIX = 'denials:';
const OVERFLOW_ACTION = 'denials.overflow';
const WINDOW_MS = 60_000;
const MAX_KINDS = 256;
/** Reasons are codes of problems, so they are few; this holds if one were not. */
const MAX_OVERFLOW_KINDS = 32;

/** Whose credential was refused, where it is valid. */
export type Denied = Pick<
  AuditEvent,
  'organisationId' | 'userId' | 'sessionHash' | 'keyId' | 'agent'
>;

export interface Denial {
  readonly action: string;
  readonly reason: string;
  readonly requestId: string;
  readonly clientRequestId: string | null;
  readonly personal: PersonalFields;
  /** Null: nobody known. */
  readonly of: Denied | null;
}

export interface DenialLog {
  count(denial: Denial): void;
  /** Records what is counted, as at the end of each minute. */
  endWindow(): Promise<void>;
  close(): Promise<void>;
}

interface Kind {
  readonly first: Denial;
  counted: number;
}

const NOBODY: Denied = { ...PLATFORM_TENANT, sessionHash: null, keyId: null, agent: null };

export function createDenialLog(given: {
  audit: Pick<AuditWriter, 'record'>;
  /** Of this process. */
  name: string;
  region: string;
  clock: Clock;
  random: Random;
  report: (error: Error) => void;
}): DenialLog {
  const { clock, random } = given;
  let kinds = new Map<string, Kind>();
  let overflows = 0;
  const running = new Set<Promise<void>>();

  const eventOf = ({ first, counted }: Kind): AuditEvent => {
    const nowUs = clock.nowUs();
    return {
      eventId: timeOrderedId(nowUs, random.uuid()),
      // When it is written: it is about the time since the event of its kind before, at most a minute.
      occurredAt: isoFromUs(nowUs),
      ...(first.of ?? NOBODY),
      action: first.action,
      resourceType: DENIALS,
      resourceId: String(counted),
      outcome: 'denied',
      reason: first.reason,
      requestId: `${REQUEST_ID_PREFIX}${first.requestId}`,
      clientRequestId: first.clientRequestId,
      region: given.region,
      service: given.name,
      change: null,
      personal: first.personal,
    };
  };

  /** What cannot be recorded is counted again. */
  const record = (kind: Kind): void => {
    const event = eventOf(kind);
    const { counted } = kind;
    kind.counted = 0;
    const written = given.audit
      .record(event)
      .catch((error: Error) => {
        kind.counted += counted;
        given.report(error);
      })
      .finally(() => running.delete(written));
    running.add(written);
  };

  const recordAll = () => {
    for (const kind of kinds.values()) if (kind.counted > 0) record(kind);
  };

  const endWindow = async () => {
    recordAll();
    await Promise.all(running);
    // What PostgreSQL did not take waits for the next minute; new kinds share the room with it.
    kinds = new Map([...kinds].filter(([, { counted }]) => counted > 0));
    overflows = [...kinds.values()].filter(({ first }) => first.action === OVERFLOW_ACTION).length;
  };
  const timer = setInterval(() => void endWindow(), WINDOW_MS);
  timer.unref();

  const findKind = (denial: Denial): { kind: Kind; isNew: boolean } | null => {
    const key = keyOf(denial);
    const known = kinds.get(key);
    if (known) return { kind: known, isNew: false };
    const isOverflow = denial.action === OVERFLOW_ACTION;
    if (isOverflow ? overflows >= MAX_OVERFLOW_KINDS : kinds.size - overflows >= MAX_KINDS)
      return isOverflow ? null : findKind(overflowOf(denial));
    if (isOverflow) overflows += 1;
    const kind = { first: denial, counted: 0 };
    kinds.set(key, kind);
    return { kind, isNew: true };
  };

  return {
    count(denial) {
      const found = findKind(denial);
      if (!found) return;
      found.kind.counted += 1;
      if (found.isNew) record(found.kind);
    },
    endWindow,
    async close() {
      clearInterval(timer);
      recordAll();
      await Promise.all(running);
    },
  };
}

const overflowOf = (denial: Denial): Denial => ({
  ...denial,
  action: OVERFLOW_ACTION,
  personal: { ip: null, userAgent: null },
  of: null,
});

/** The device is that of the first: a client may send another with each request. */
const keyOf = ({ of, action, reason, personal: { ip } }: Denial): string =>
  [of?.organisationId, of?.userId, of?.sessionHash, of?.keyId, of?.agent, ip, action, reason].join(
    '\n',
  );
