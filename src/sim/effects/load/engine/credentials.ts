/**
 * The client's credentials and their states. `live`: no revocation was sent. `ended`: a revocation was acknowledged, or its
 * own end has come, which is final. `unsure`: a revocation is in flight or may have happened, or its own end is near. If the only revocation definitely failed, the
 * credential is live again, whatever the status: a 401 too means that this attempt revoked nothing, and if the platform
 * lost the session, later requests with it show that.
 *
 * draw() and state changes are O(1): a credential is in the list of its state and, if its account has a group, in the
 * group's list. Position k of a plan draws element k (modulo the length) of the current list: without new or revoked
 * credentials, account by account as planned; otherwise the same for the same answers.
 */
import type { Outcome } from '../../../history.ts';
import type { CredentialKind, OperationTemplate } from '../../../pure/load/workload.ts';
import { isHeaderValue } from '../http/header-template.ts';
import type { Actor } from '../http/placeholders.ts';
import type { CompiledAccount } from '../http/request-template.ts';
import type { Credential, CredentialState } from './credential.ts';
import { DueHeap } from './due-heap.ts';
import { Revocation, type RevocationScope } from './revocation.ts';
import { UserCredentials } from './user-credentials.ts';

type Lists = Readonly<Record<CredentialState, Credential[]>>;
/** The index field that belongs to a list. */
type IndexField = 'index' | 'groupIndex';

/** A new credential in an answer. */
export interface IssuedCredential {
  readonly token: string;
  readonly subject: string;
  /** When it ends without a revocation, Unix milliseconds; absent unless the template asked for it. */
  readonly endsAtMs?: number;
}

/** What the client knows about a new credential beside the answer. */
export interface Issue {
  readonly sentUs: number;
  /** The operation that issued it, if it revokes others. */
  readonly revocation: Revocation | null;
}

/** `just-ended` draws from this many. */
const JUST_ENDED = 2;
/** For the platform's clock and ours, around a credential's own end. */
const END_MARGIN_MS = 250;

export class Credentials {
  readonly #accounts: readonly CompiledAccount[];
  readonly #lists = emptyLists();
  readonly #groups = new Map<string, Lists>();
  readonly #users = new Map<string, UserCredentials>();
  /** Credentials that end by themselves, by the instant at which their state changes. */
  readonly #ending = new DueHeap<Credential>();
  readonly #wallMs: () => number;
  #nextSerial = 0;

  constructor(accounts: readonly CompiledAccount[], wallMs: () => number = Date.now) {
    this.#accounts = accounts;
    this.#wallMs = wallMs;
    for (const account of accounts) {
      const credential = this.#add(account, account.group);
      this.#userOf(account.id).add(credential);
      if (account.endsAtMs !== null)
        this.#ending.push(account.endsAtMs - END_MARGIN_MS, credential);
      if (!account.dormant) continue;
      credential.mayBeRevoked = true;
      this.#updateState(credential);
    }
  }

  count(kind: 'live' | 'ended'): number {
    return this.#lists[kind].length;
  }

  /** Null when there is none of the kind. `any`: the live ones, then the ended, then the unsure. */
  draw(kind: CredentialKind, position: number, group?: string): Credential | null {
    this.#endDue();
    const lists = group === undefined ? this.#lists : this.#groups.get(group);
    if (lists === undefined) return null;
    const { live, ended, unsure } = lists;
    if (kind === 'just-ended')
      return ended[ended.length - 1 - (position % Math.min(JUST_ENDED, ended.length))] ?? null;
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
    this.#endDue();
    const lists = group === undefined ? this.#lists : this.#groups.get(group);
    return (lists?.[kind] ?? []).toSorted((a, b) => a.account - b.account || a.serial - b.serial);
  }

  /** Adds a new credential of the account and its group; live unless the user's credentials are being revoked. */
  addIssued(account: number, issued: IssuedCredential, { sentUs, revocation }: Issue): void {
    const { token, subject, endsAtMs } = issued;
    const { id, vars, ownHeaderLines, group } = this.#accounts[account]!;
    const headerLines = `${ownHeaderLines}authorization: Bearer ${token}\r\n`;
    const actor = { account, id, subject, vars: { ...vars, subject }, headerLines };
    const credential = this.#add(actor, group);
    if (endsAtMs !== undefined) this.#ending.push(endsAtMs - END_MARGIN_MS, credential);
    this.#userOf(id).addIssued(credential, sentUs, revocation);
    this.#updateState(credential);
  }

  /** Called before a revoking operation is sent; `scope` as the template says, of the user of this credential. */
  startRevocation(credential: Credential, scope: RevocationScope = 'own'): Revocation {
    const user = this.#userOf(credential.id);
    const certain =
      scope === 'own' ? [credential] : user.open(scope === 'others' ? credential : null);
    const revocation = new Revocation(credential.id, scope, certain);
    if (scope !== 'own') user.begin(revocation);
    for (const one of certain) this.#updateState(one);
    return revocation;
  }

  /** Called after each recorded attempt. */
  recordRevocationAttempt(revocation: Revocation, outcome: Outcome, doneUs: number): void {
    if (outcome === 'fail') return;
    const { userId, scope, certain, uncertain } = revocation;
    for (const one of certain) {
      if (outcome === 'ok') this.#move(one, 'ended');
      else one.mayBeRevoked = true;
    }
    for (const one of uncertain) one.mayBeRevoked = true;
    if (scope !== 'own') this.#userOf(userId).recordAttempt(outcome, doneUs);
  }

  /** Called after the operation's last attempt. */
  finishRevocation(revocation: Revocation): void {
    revocation.finish();
    this.#userOf(revocation.userId).finish(revocation);
    for (const one of [...revocation.certain, ...revocation.uncertain]) this.#updateState(one);
  }

  /** Credentials near their own end become `unsure`, those past it `ended`. */
  #endDue(): void {
    if (this.#ending.nextUs === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#wallMs();
    while (this.#ending.nextUs <= nowMs) {
      const dueMs = this.#ending.nextUs;
      const credential = this.#ending.pop()!;
      if (credential.isEnding) {
        this.#move(credential, 'ended');
        continue;
      }
      credential.isEnding = true;
      credential.mayBeRevoked = true;
      this.#updateState(credential);
      this.#ending.push(dueMs + 2 * END_MARGIN_MS, credential);
    }
  }

  #userOf(id: string): UserCredentials {
    let user = this.#users.get(id);
    if (user === undefined) {
      user = new UserCredentials();
      this.#users.set(id, user);
    }
    return user;
  }

  #updateState(credential: Credential): void {
    if (credential.state === 'ended') return;
    this.#move(
      credential,
      credential.pendingRevocations > 0 || credential.mayBeRevoked ? 'unsure' : 'live',
    );
  }

  #add({ account, id, subject, vars, headerLines }: Actor, group: string | undefined): Credential {
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
      isEnding: false,
    };
    this.#nextSerial += 1;
    append(this.#lists.live, credential, 'index');
    if (group === undefined) return credential;
    const lists = this.#groups.get(group) ?? emptyLists();
    this.#groups.set(group, lists);
    append(lists.live, credential, 'groupIndex');
    return credential;
  }

  #move(credential: Credential, state: CredentialState): void {
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
  if (!usable) return null;
  const endsAtMs = fields.endsAt === undefined ? NaN : Date.parse(fieldOf(answer, fields.endsAt));
  return Number.isNaN(endsAtMs) ? { token, subject } : { token, subject, endsAtMs };
}

function fieldOf(answer: unknown, path: string): string {
  let value = answer;
  for (const name of path.split('.')) {
    const holder = typeof value === 'object' && value !== null ? value : {};
    value = Object.hasOwn(holder, name) ? (holder as Record<string, unknown>)[name] : undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
