/**
 * Invariants about what each record says: every field against what the client sent and what its account is, and its time
 * against its request. Who acted and what came of it is in `audit-once`.
 */
import { createHash } from 'node:crypto';
import { isAcknowledged } from '../../checkers/audit/check-audit.ts';
import { checkAuditFields, type RecordFields } from '../../checkers/audit/check-audit-fields.ts';
import { checkAuditTime } from '../../checkers/audit/check-audit-time.ts';
import { findDesign } from '../../services/lineage.ts';
import { fill, pieces, variablesOf } from '../../sim/effects/load/http/placeholders.ts';
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import type { OperationTemplate } from '../../sim/pure/load/workload.ts';
import type { Invariant } from '../../sim/scenario.ts';
import { armOf, factsOf, operationsOf } from './audit-invariants.ts';

/** What the record of an operation must say of its resource and of a refusal. */
export interface RecordRule {
  readonly resourceType: string;
  /** Null: none. Absent, or a function that returns undefined: any. */
  readonly resource?: string | null | ((operation: OperationRecord) => string | undefined);
  /** Of a refusal, by status; a status not named may have any. */
  readonly reasons?: Readonly<Record<number, string>>;
  /** The values after a change of rights, as JSON; absent: a success changes none. */
  readonly changedTo?: string;
}

/** A rule's resource: the `id` in the body of a success, which the operation must capture. */
export function idInAnswer({ outcome, body }: OperationRecord): string | undefined {
  if (outcome !== 'ok' || body === undefined) return undefined;
  try {
    return String((JSON.parse(body) as { id?: unknown }).id);
  } catch {
    return 'unreadable answer';
  }
}

/** A rule's resource: the user's own account, known once the request is let in. */
export const ownAccount = ({ outcome, user }: OperationRecord): string | undefined =>
  outcome === 'ok' ? user : undefined;

export interface AuditFieldsOptions {
  /** With the headers that name address and device. */
  readonly operations: readonly OperationTemplate[];
  /** By name of the operation; without a rule, its resource and reason may be any. */
  readonly rules: Readonly<Record<string, RecordRule>>;
  /** The address of operations that send no X-Forwarded-For, where the accounts send none either. */
  readonly socketAddress?: string;
  /** Fields of which two different values must have been compared. */
  readonly mustHaveSeen: readonly AuditField[];
}

export type AuditField =
  | 'organisation'
  | 'session'
  | 'key'
  | 'agent'
  | 'resourceType'
  | 'resource'
  | 'reason'
  | 'changedTo'
  | 'region'
  | 'service'
  | 'address'
  | 'device';
type Fields = Partial<Record<AuditField, string | number | null | undefined>>;

const RATE_LIMITED = 429;

export function auditFields(options: AuditFieldsOptions): Invariant {
  const fieldsSentBy = createSentFields(options);
  return {
    id: 'audit-fields',
    statement:
      'a record has the organisation, credential, resource, reason, address and device of its action, and the process that answered',
    check(history) {
      const organisations = new Map(
        factsOf(history, 'account').map(({ id, facts = {} }) => [id, facts.organisation]),
      );
      const arm = armOf(history);
      const region = arm === undefined ? undefined : findDesign(arm.design).sessions.region;
      const expectedOf = (operation: OperationRecord): Fields =>
        operation.user === ''
          ? {}
          : {
              organisation: organisations.get(operation.user),
              ...credentialFields(operation.subject),
              ...resultFields(operation, options.rules[operation.name]),
              region,
              service: operation.target,
              ...fieldsSentBy(operation),
            };
      return checkAuditFields({
        operations: operationsOf(history),
        rows: factsOf(history, 'audit'),
        expectedOf,
        recordedIn,
        mustHaveSeen: options.mustHaveSeen,
      });
    },
  };
}

export const auditTime: Invariant = {
  id: 'audit-time',
  statement: 'the time of a record is between the sending of its request and the answer',
  check(history) {
    const arm = armOf(history);
    return checkAuditTime({
      operations: operationsOf(history),
      rows: factsOf(history, 'audit'),
      originUs: arm === undefined ? null : Date.parse(arm.originAt) * 1_000,
    });
  },
};

function recordedIn({ subject, facts = {} }: FactRecord): RecordFields {
  const { address, device, personal, change } = facts;
  // What cannot be opened is neither right nor absent.
  const sealed = personal === 'unreadable' ? personal : undefined;
  return {
    ...facts,
    resource: subject,
    address: address ?? sealed,
    device: device ?? sealed,
    ...(change === undefined ? {} : { changedTo: valuesAfter(String(change)) }),
  };
}

function valuesAfter(change: string): string {
  try {
    return JSON.stringify((JSON.parse(change) as { after: unknown }).after);
  } catch {
    return 'unreadable change';
  }
}

/** Subjects are `key:12`, `agent:12/7` or the id of a session. Without one, the credential is not known. */
export function credentialFields(subject: string | undefined): Fields {
  if (subject === undefined) return {};
  const [, key, slot = '0'] = /^(?:key|agent):(\d+)(?:\/(\d+))?$/.exec(subject) ?? [];
  if (key !== undefined) return { session: null, key, agent: Number(slot) };
  return { session: sessionHashOf(subject), key: null, agent: null };
}

/** As the contract of the audit log promises it. */
const sessionHashOf = (sessionId: string) =>
  createHash('sha256').update(sessionId).digest('hex').slice(0, 32);

function resultFields(operation: OperationRecord, rule: RecordRule | undefined): Fields {
  if (rule === undefined) return {};
  const { resourceType, resource, reasons = {}, changedTo = null } = rule;
  const { status } = operation;
  return {
    resourceType,
    resource: typeof resource === 'function' ? resource(operation) : resource,
    changedTo: !isAcknowledged(operation) ? undefined : status < 400 ? changedTo : null,
    reason: !isAcknowledged(operation)
      ? undefined
      : status < 400
        ? null
        : (reasons[status] ?? (status === RATE_LIMITED ? 'rate-limited' : undefined)),
  };
}

/** Address and device as the template sends them; undefined where they depend on the account. */
function createSentFields({ operations, socketAddress }: AuditFieldsOptions) {
  const templates = new Map(
    operations.map(({ name, headers = {} }) => [
      name,
      {
        address: headerText(headers['x-forwarded-for'], socketAddress),
        // Without the header, a load generator may name itself.
        device: headerText(headers['user-agent'], undefined),
      },
    ]),
  );
  return (operation: OperationRecord): Fields => {
    const template = templates.get(operation.name);
    if (template === undefined) return {};
    return { address: template.address(operation), device: template.device(operation) };
  };
}

function headerText(value: string | undefined, absent: string | undefined) {
  if (value === undefined) return () => absent;
  const text = pieces(value);
  if (variablesOf(text).length > 0) return () => undefined;
  // Retries repeat the number of the first attempt.
  return ({ id, retryOf = id }: OperationRecord) => fill(text, null, retryOf, String);
}
