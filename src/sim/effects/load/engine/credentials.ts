/**
 * The client's credentials and their states. `live`: no revocation was sent. `ended`: a revocation was acknowledged, which
 * is final. `unsure`: a revocation is in flight or may have happened. If the only revocation definitely failed, the
 * credential is live again, whatever the status: a 401 too means that this attempt revoked nothing, and if the platform
 * lost the session, later requests with it show that.
 *
 * draw() and state changes are O(1): a credential is in the list of its state and, if its account has a group, in the
 * group's list. Position k of a plan draws element k (modulo the length) of the current list: without new or revoked
 * credentials, account by account as planned; otherwise the same for the same answers.
 */
import type { Outcome } from '../../../history.ts';
import type { OperationTemplate } from '../../../pure/load/workload.ts';
import { isHeaderValue } from '../http/header-template.ts';
import type { Actor } from '../http/placeholders.ts';
import type { CompiledAccount } from '../http/request-template.ts';

type State = 'live' | 'ended' | 'unsure';
type Lists = Readonly<Record<State, Credential[]>>;
/** The index field that belongs to a list. */
type IndexField = 'index' | 'groupIndex';

export interface Credential extends Actor {
  /** Unique; in order of the accounts, then of issue. */
  readonly serial: number;
  state: State;
  readonly group: string | undefined;
  /** Its index in the list of its state, and in that of its group. */
  index: number;
  groupIndex: number;
  /** Revocations in flight. */
  pendingRevocations: number;
  /** A revocation had an unknown outcome. */
  mayBeRevoked: boolean;
}

/** A new credential in an answer. */
export interface IssuedCredential {
  readonly token: string;
  readonly subject: string;
}

export class Credentials {
  readonly #accounts: readonly CompiledAccount[];
  readonly #lists = emptyLists();
  readonly #groups = new Map<string, Lists>();
  #nextSerial = 0;

  constructor(accounts: readonly CompiledAccount[]) {
    this.#accounts = accounts;
    for (const account of accounts) this.#add(account, account.group);
  }

  count(kind: 'live' | 'ended'): number {
    return this.#lists[kind].length;
  }

  /** Null when there is none of the kind. `any`: the live ones, then the ended, then the unsure. */
  draw(kind: 'live' | 'ended' | 'any', position: number, group?: string): Credential | null {
    const lists = group === undefined ? this.#lists : this.#groups.get(group);
    if (lists === undefined) return null;
    const { live, ended, unsure } = lists;
    if (kind !== 'any') {
      const list = lists[kind];
      return list[position % list.length] ?? null;
    }
    const index = position % (live.length + ended.length + unsure.length);
    const beyondLive = index - live.length;
    return live[index] ?? ended[beyondLive] ?? unsure[beyondLive - ended.length] ?? null;
  }

  /** All of a kind, by account and serial: independent of the order of answers. */
  all(kind: 'live' | 'ended', group?: string): readonly Credential[] {
    const lists = group === undefined ? this.#lists : this.#groups.get(group);
    return (lists?.[kind] ?? []).toSorted((a, b) => a.account - b.account || a.serial - b.serial);
  }

  /** Adds a new live credential of the account and its group. */
  addIssued(account: number, { token, subject }: IssuedCredential): void {
    const { id, vars, ownHeaderLines, group } = this.#accounts[account]!;
    const headerLines = `${ownHeaderLines}authorization: Bearer ${token}\r\n`;
    this.#add({ account, id, subject, vars: { ...vars, subject }, headerLines }, group);
  }

  /** Called before a revoking operation is sent. */
  startRevocation(credential: Credential): void {
    credential.pendingRevocations += 1;
    this.#updateState(credential);
  }

  /** Called after each recorded attempt to revoke it. */
  recordRevocationAttempt(credential: Credential, outcome: Outcome): void {
    if (outcome === 'ok') this.#move(credential, 'ended');
    else if (outcome === 'unknown') credential.mayBeRevoked = true;
  }

  /** Called after the operation's last attempt. */
  finishRevocation(credential: Credential): void {
    credential.pendingRevocations -= 1;
    this.#updateState(credential);
  }

  #updateState(credential: Credential): void {
    if (credential.state === 'ended') return;
    this.#move(
      credential,
      credential.pendingRevocations > 0 || credential.mayBeRevoked ? 'unsure' : 'live',
    );
  }

  #add({ account, id, subject, vars, headerLines }: Actor, group: string | undefined): void {
    const credential: Credential = {
      account,
      id,
      subject,
      vars,
      headerLines,
      group,
      serial: this.#nextSerial,
      state: 'live',
      index: 0,
      groupIndex: 0,
      pendingRevocations: 0,
      mayBeRevoked: false,
    };
    this.#nextSerial += 1;
    append(this.#lists.live, credential, 'index');
    if (group === undefined) return;
    const lists = this.#groups.get(group) ?? emptyLists();
    this.#groups.set(group, lists);
    append(lists.live, credential, 'groupIndex');
  }

  #move(credential: Credential, state: State): void {
    const { state: old, group } = credential;
    if (old === state) return;
    credential.state = state;
    swapRemove(this.#lists[old], credential, 'index');
    append(this.#lists[state], credential, 'index');
    const lists = group === undefined ? undefined : this.#groups.get(group);
    if (lists === undefined) return;
    swapRemove(lists[old], credential, 'groupIndex');
    append(lists[state], credential, 'groupIndex');
  }
}

function emptyLists(): Lists {
  return { live: [], ended: [], unsure: [] };
}

function append(list: Credential[], credential: Credential, field: IndexField): void {
  credential[field] = list.length;
  list.push(credential);
}

/** O(1): the last element moves to the free index. */
function swapRemove(list: Credential[], credential: Credential, field: IndexField): void {
  const last = list.pop()!;
  if (last === credential) return;
  list[credential[field]] = last;
  last[field] = credential[field];
}

/** Null when the answer holds no credential that can be sent. A dot in a field's name leads into an object. */
export function readIssuedCredential(
  body: string,
  fields: NonNullable<OperationTemplate['issuesCredential']>,
): IssuedCredential | null {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return null;
  }
  const token = fieldOf(answer, fields.token);
  const subject = fieldOf(answer, fields.subject);
  const usable = token !== '' && subject !== '' && isHeaderValue(token);
  return usable ? { token, subject } : null;
}

function fieldOf(answer: unknown, path: string): string {
  let value = answer;
  for (const name of path.split('.')) {
    const holder = typeof value === 'object' && value !== null ? value : {};
    value = Object.hasOwn(holder, name) ? (holder as Record<string, unknown>)[name] : undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
