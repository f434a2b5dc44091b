/** What the operations of the scenarios do to sessions. An operation that is not listed only uses its session. */

export interface SessionVerb {
  /** Sessions that end when it succeeds: the one it uses, the user's others, or all of the user. */
  readonly ends?: 'own' | 'others' | 'all';
  /** It is not authenticated by the session it names, so an ok answer does not show that the session is live. */
  readonly withoutProof?: true;
  /** A 401 concerns something else than the session: a password, an administrator, another secret. */
  readonly refusesOther?: true;
  /** What its answer shows is not about the session it names. */
  readonly presentsOtherSecret?: true;
  readonly opensSession?: true;
  /** It replaces its session by one with the same absolute end. */
  readonly renews?: true;
  /** What a login presents. `old` is the seeded password, `new` the one after the change. */
  readonly password?: 'old' | 'new' | 'wrong';
  /** It changes the password from old to new. */
  readonly changesPassword?: true;
  readonly disablesUser?: true;
}

const login = { withoutProof: true, refusesOther: true, opensSession: true } as const;
const asAdministrator = { ends: 'all', withoutProof: true, refusesOther: true } as const;

const forged = { withoutProof: true, refusesOther: true, presentsOtherSecret: true } as const;

const verbs: Readonly<Record<string, SessionVerb>> = {
  // May be repeated with an ended session, so an ok answer proves nothing.
  logout: { ends: 'own', withoutProof: true },
  'log out': { ends: 'own', withoutProof: true },
  login: { ...login, ends: 'own', password: 'old' },
  'log in': { ...login, password: 'old' },
  'log in changed': { ...login, password: 'new' },
  'log in outdated': { ...login, password: 'old' },
  'log in disabled': { ...login, password: 'old' },
  'log in wrong': { ...login, password: 'wrong' },
  renew: { ends: 'own', opensSession: true, renews: true },
  'renew aged': { ends: 'own', opensSession: true, renews: true },
  'end session': { ends: 'own' },
  'end others': { ends: 'others' },
  'end all': { ends: 'all' },
  'change password': { ends: 'all', opensSession: true, changesPassword: true },
  'end as admin': asAdministrator,
  'disable user': { ...asAdministrator, disablesUser: true },
  forged,
  'forged dozing': forged,
};

const usesSession: SessionVerb = {};

export const verbOf = (operation: string): SessionVerb =>
  Object.hasOwn(verbs, operation) ? verbs[operation]! : usesSession;

/** Names of the operations that a property holds for. */
export const operationsThat = (has: (verb: SessionVerb) => boolean): readonly string[] =>
  Object.keys(verbs).filter((name) => has(verbs[name]!));
