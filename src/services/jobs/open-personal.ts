/**
 * Opens the personal fields of records as an auditor with the platform's keys does. A key or a field that cannot be
 * opened is a finding about the log, so it is returned as `unreadable` instead of thrown.
 */
import path from 'node:path';
import { openAuditKeys } from '../audit/audit-keys.ts';
import { openPersonal } from '../audit/seal.ts';
import { createSubjectKeys, type SubjectKeys } from '../audit/subject-keys.ts';
import { systemClock } from '../gateway/system.ts';
import type { Database } from '../ports.ts';

interface SealedFields {
  readonly user: string;
  readonly sealed: Buffer | null;
}

/** `none`: the record has no personal fields. */
export interface OpenedFields {
  readonly personal: 'none' | 'opened' | 'unreadable';
  readonly address?: string;
  readonly device?: string;
}

export type OpenFields = (record: SealedFields) => OpenedFields;

/** Reads the keys of a page of records at once. */
export function createPersonalOpener(db: Database, stateDirectory: string) {
  let subjectKeys: Promise<SubjectKeys> | null = null;
  const readKeys = async (users: readonly string[]) => {
    if (users.length === 0 || stateDirectory === '') return new Map<string, Buffer>();
    subjectKeys ??= openSubjectKeys(db, stateDirectory);
    return await readUsableKeys(await subjectKeys, users);
  };
  return async (records: readonly SealedFields[]): Promise<OpenFields> => {
    const users = new Set(records.flatMap(({ user, sealed }) => (sealed === null ? [] : [user])));
    const keys = await readKeys([...users]);
    return ({ user, sealed }) => {
      if (sealed === null) return { personal: 'none' };
      const key = keys.get(user);
      const fields = key === undefined ? null : openPersonal(key, user, sealed);
      if (fields === null) return { personal: 'unreadable' };
      const { ip, userAgent } = fields;
      return {
        personal: 'opened',
        ...(ip === null ? {} : { address: ip }),
        ...(userAgent === null ? {} : { device: userAgent }),
      };
    };
  };
}

async function openSubjectKeys(db: Database, stateDirectory: string): Promise<SubjectKeys> {
  const { wrappingKey } = await openAuditKeys(path.join(stateDirectory, 'audit'));
  return createSubjectKeys({ db, wrappingKey, clock: systemClock });
}

/** One key under another wrapping key fails the whole read, so then each is read alone. */
async function readUsableKeys(keys: SubjectKeys, users: readonly string[]) {
  try {
    return await keys.readKeys(users);
  } catch {
    const usable = new Map<string, Buffer>();
    for (const user of users) {
      const key = await keys.readKey(user).catch(() => null);
      if (key !== null) usable.set(user, key);
    }
    return usable;
  }
}
