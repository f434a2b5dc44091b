/**
 * What the client holds: every credential it was given or began, and what it knows of each. `live`: nothing has
 * tried to end it. `ended`: an end was acknowledged, which is final. `unsure`: an end is under way, or may have
 * happened. A definite failure of the only end takes it back to live, whatever its status: a 401 too says that
 * this attempt ended nothing, and if the platform lost the session, acting as it will show that.
 *
 * Drawing and moving are O(1): a credential stands in a list of all and, if its account is of a group, in one of the
 * group. The k-th place of a plan draws the k-th of the present list, round and round: with nothing begun or ended,
 * account by account as planned; otherwise the same for the same answers.
 */
import type { Outcome } from '../../../history.ts';
import type { OperationTemplate } from '../../../pure/workload.ts';
import { isHeaderValue } from '../http/header-template.ts';
import type { Actor } from '../http/placeholders.ts';
import type { CompiledAccount } from '../http/request-template.ts';

type State = 'live' | 'ended' | 'unsure';
type Lists = Readonly<Record<State, Credential[]>>;
/** Which of a credential's two places a list is about. */
type Place = 'place' | 'groupPlace';

export interface Credential extends Actor {
  /** Unique; in order of the accounts, then of beginning. */
  readonly serial: number;
  state: State;
  readonly group: string | undefined;
  /** Its place in the list of its state, and in that of its group. */
  place: number;
  groupPlace: number;
  /** Ends that are under way. */
  ending: number;
  /** An end may have happened. */
  doubted: boolean;
}

/** What an answer says of a new credential. */
export interface Begun {
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

  /** Null when there is none of the kind. `any` walks the live ones, then the ended, then the unsure. */
  draw(kind: 'live' | 'ended' | 'any', position: number, group?: string): Credential | null {
    const lists = group === undefined ? this.#lists : this.#groups.get(group);
    if (lists === undefined) return null;
    const { live, ended, unsure } = lists;
    if (kind !== 'any') {
      const list = lists[kind];
      return list[position % list.length] ?? null;
    }
    const place = position % (live.length + ended.length + unsure.length);
    const beyondLive = place - live.length;
    return live[place] ?? ended[beyondLive] ?? unsure[beyondLive - ended.length] ?? null;
  }

  /** All of a kind in an order that does not depend on when they came to it. */
  all(kind: 'live' | 'ended', group?: string): readonly Credential[] {
    const lists = group === undefined ? this.#lists : this.#groups.get(group);
    return (lists?.[kind] ?? []).toSorted((a, b) => a.account - b.account || a.serial - b.serial);
  }

  /** A new live one of the same account, and of its group. */
  begin(account: number, { token, subject }: Begun): void {
    const { id, vars, ownHeaderLines, group } = this.#accounts[account]!;
    const headerLines = `${ownHeaderLines}authorization: Bearer ${token}\r\n`;
    this.#add({ account, id, subject, vars: { ...vars, subject }, headerLines }, group);
  }

  /** An operation that ends it is about to be sent. */
  startEnding(credential: Credential): void {
    credential.ending += 1;
    this.#settle(credential);
  }

  /** One attempt to end it has been recorded. */
  attempted(credential: Credential, outcome: Outcome): void {
    if (outcome === 'ok') this.#move(credential, 'ended');
    else if (outcome === 'unknown') credential.doubted = true;
  }

  /** No further attempt of that operation follows. */
  stopEnding(credential: Credential): void {
    credential.ending -= 1;
    this.#settle(credential);
  }

  #settle(credential: Credential): void {
    if (credential.state === 'ended') return;
    this.#move(credential, credential.ending > 0 || credential.doubted ? 'unsure' : 'live');
  }

  #add({ account, id, subject, vars, headerLines }: Actor, group: string | undefined): void {
    const credential: Credential = {
      ...{ account, id, subject, vars, headerLines, group },
      ...{ serial: this.#nextSerial, state: 'live', place: 0, groupPlace: 0 },
      ...{ ending: 0, doubted: false },
    };
    this.#nextSerial += 1;
    put(this.#lists.live, credential, 'place');
    if (group === undefined) return;
    const lists = this.#groups.get(group) ?? emptyLists();
    this.#groups.set(group, lists);
    put(lists.live, credential, 'groupPlace');
  }

  #move(credential: Credential, state: State): void {
    const { state: old, group } = credential;
    if (old === state) return;
    credential.state = state;
    take(this.#lists[old], credential, 'place');
    put(this.#lists[state], credential, 'place');
    const lists = group === undefined ? undefined : this.#groups.get(group);
    if (lists === undefined) return;
    take(lists[old], credential, 'groupPlace');
    put(lists[state], credential, 'groupPlace');
  }
}

function emptyLists(): Lists {
  return { live: [], ended: [], unsure: [] };
}

function put(list: Credential[], credential: Credential, place: Place): void {
  credential[place] = list.length;
  list.push(credential);
}

/** The last one takes its place. */
function take(list: Credential[], credential: Credential, place: Place): void {
  const last = list.pop()!;
  if (last === credential) return;
  list[credential[place]] = last;
  last[place] = credential[place];
}

/** Null when the answer does not hold a credential that can be sent. A dot leads into an object. */
export function readBegun(
  body: string,
  fields: NonNullable<OperationTemplate['begins']>,
): Begun | null {
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
