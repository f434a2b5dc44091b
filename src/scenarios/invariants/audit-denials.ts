/** Invariant about denials that leave no record each, because they were refused before it was known whose they are. */
import { checkAuditDenials } from '../../checkers/audit/check-audit-denials.ts';
import type { RecordFields } from '../../checkers/audit/check-audit-fields.ts';
import type { FactRecord, OperationRecord } from '../../sim/history.ts';
import type { Invariant } from '../../sim/scenario.ts';
import { factsOf, operationsOf } from './audit-invariants.ts';
import { credentialFields } from './audit-records.ts';

/** What the record of an operation's denials must say. */
export interface DenialRule {
  readonly action: string;
  /** By status; another status is no such denial. */
  readonly reasons: Readonly<Record<number, string>>;
  /** Of which the credential is valid, so that the record is in its tenant; the others are in the platform's. */
  readonly known?: readonly string[];
  /** The address that it is sent from. */
  readonly address: string;
}

export interface AuditDenialsOptions {
  /** By name of the operation. */
  readonly rules: Readonly<Record<string, DenialRule>>;
  /** Processes and stores are killed. */
  readonly mayLoseCounts?: boolean;
}

const PLATFORM: RecordFields = { organisation: '0', user: '0' };

export function auditDenials({ rules, mayLoseCounts = false }: AuditDenialsOptions): Invariant {
  return {
    id: 'audit-denials',
    statement:
      'every denial of an unknown caller is counted on record, in the tenant of its credential or in the log of the platform',
    check(history) {
      const organisations = new Map(
        factsOf(history, 'account').map(({ id, facts = {} }) => [id, facts.organisation]),
      );
      const ownerOf = ({ user, subject }: OperationRecord): RecordFields => {
        const { session, ...credential } = credentialFields(subject);
        return {
          organisation: organisations.get(user),
          user,
          ...present({ session, ...credential }),
        };
      };
      const isKnown = ({ name, status }: OperationRecord) =>
        rules[name]?.known?.includes(rules[name].reasons[status] ?? '') === true;
      const kindOf = (operation: OperationRecord, isLost = false): RecordFields | null => {
        const rule = rules[operation.name];
        if (rule === undefined) return null;
        // Without an answer it may have been recorded, most likely as its first reason.
        const reason =
          operation.outcome === 'unknown'
            ? Object.values(rule.reasons)[0]
            : rule.reasons[operation.status];
        if (reason === undefined) return null;
        const owner = rule.known?.includes(reason) && !isLost ? ownerOf(operation) : PLATFORM;
        return { ...owner, action: rule.action, reason, address: rule.address };
      };
      const operations = operationsOf(history);
      const sent = new Set(operations.map(({ requestId }) => requestId));
      return checkAuditDenials({
        operations,
        // A record names the first request of its kind. The probes of a run are refused as well, and are no operations.
        rows: factsOf(history, 'audit-denials').filter(({ requestId }) => sent.has(requestId)),
        kindOf: (operation) => kindOf(operation),
        // With PostgreSQL away, keys cannot be read.
        ...(mayLoseCounts && {
          otherwiseOf: (operation) => (isKnown(operation) ? kindOf(operation, true) : null),
        }),
        recordedIn,
        mayLoseCounts,
        mustHaveSeen: Object.keys(rules).length,
      });
    },
  };
}

function recordedIn({ user, subject, facts = {} }: FactRecord) {
  const { organisation, session, key, agent, action, reason, address } = facts;
  const kind = present({ organisation, user, session, key, agent, action, reason, address });
  return { kind, count: Number(subject) };
}

/** Without what a record does not have. */
const present = (fields: RecordFields): RecordFields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
