/**
 * What every request of turn 2 takes at every level of its limits, from the policy and not from the answer, and the
 * invariants that follow.
 */
import type { OperationRecord } from '../sim/history.ts';
import type { Invariant } from '../sim/scenario.ts';
import { parseLimitFields } from './invariants/limit-evidence.ts';
import type { LeveledOperations, LevelUse } from './invariants/limit-level-events.ts';
import {
  levelRefusals,
  levelsExact,
  modestServed,
  refundsGiven,
  remainingExact,
  slotsReturned,
} from './invariants/limit-levels.ts';
import {
  again,
  colleague,
  early,
  guessPassword,
  guessToken,
  HOGGED,
  hog,
  LATE,
  late,
  loginAgain,
  MODEST,
  modestSearch,
  NETWORK,
  oneNetwork,
  otherNetwork,
  registerBot,
  SLOTS,
  searchBurst,
  singleSearch,
  TEAM,
  team,
  teamSearch,
} from './turn2-levels.ts';
import { honest, login, polite, roaming, scrape, stuff } from './turn2-requests.ts';

/** Of a user, an organisation and an address, where a group has no limits of its own. */
const STANDARD = { organisation: 1_000, user: 100, address: 300 };
const SEARCH_UNITS = 5;
/** Of requests without a principal, in any minute at every scale. */
const ANONYMOUS_WINDOW_MS = 60_000;
/** While Redis has all of the last minute. */
const ANONYMOUS_PHASES = ['warm-up', 'baseline', 'bots'];
const SLOT_TTL_MS = 30_000;

const honestSearches = honest.filter(({ path }) => path.includes('search'));
const heavySearches = [scrape, searchBurst, singleSearch];
const searchNames = [...honestSearches, ...heavySearches, teamSearch, modestSearch].map(
  ({ name }) => name,
);
export const unitsOf = ({ name }: OperationRecord): number =>
  searchNames.includes(name) ? SEARCH_UNITS : 1;

type LevelsOf = (operation: OperationRecord) => readonly LevelUse[];

/** Of a session or a key. Subjects left out are the user's own; `address` null: it uses many. */
function principal(
  windowMs: number,
  limits: Partial<typeof STANDARD> = {},
  subjects: { readonly organisation?: string; readonly address?: string | null } = {},
): LevelsOf {
  const limit = { ...STANDARD, ...limits };
  return (operation) => {
    const { organisation = operation.user, address = operation.user } = subjects;
    const levelOf = (policy: keyof typeof STANDARD, subject: string): LevelUse => ({
      policy,
      subject,
      windowMs,
      limit: limit[policy],
      weight: unitsOf(operation),
    });
    return [
      levelOf('organisation', organisation),
      levelOf('user', operation.user),
      ...(address === null ? [] : [levelOf('address', address)]),
    ];
  };
}

const anonymousLevel = (
  policy: string,
  subject: string,
  limit: number,
  isSecond = false,
): LevelUse => ({
  policy,
  subject,
  limit,
  isSecond,
  windowMs: ANONYMOUS_WINDOW_MS,
  weight: 1,
});

/** Only in the phases in which Redis has all units of its window. */
const anonymous =
  (levelsOf: LevelsOf): LevelsOf =>
  (operation) =>
    ANONYMOUS_PHASES.includes(operation.phase) ? levelsOf(operation) : [];

/** Of a login. The account's own limit only where it is tried from no other network. */
const loginFrom = (
  networkOf: (user: string) => string,
  options: { readonly isAccountAlone: boolean },
): LevelsOf =>
  anonymous(({ user }) => {
    const network = networkOf(user);
    return [
      anonymousLevel('login', network, 10),
      anonymousLevel('login-pair', `${network} ${user}`, 5, true),
      ...(options.isAccountAlone ? [anonymousLevel('login-account', user, 30, true)] : []),
    ];
  });

/** Of the operations that are not a session's or a key's as usual, by name. */
function unusualLevels(windowMs: number, stuffers: number): ReadonlyMap<string, LevelsOf> {
  const attacked = { isAccountAlone: false };
  const alone = { isAccountAlone: true };
  const inTeam = principal(windowMs, TEAM, { organisation: 'team' });
  const hogged = principal(windowMs, HOGGED, { organisation: 'hogged' });
  const inBursts = principal(windowMs, LATE);
  return new Map([
    [polite.name, principal(windowMs, { user: 1 })],
    [roaming.name, principal(windowMs, {}, { address: null })],
    [team.name, inTeam],
    [teamSearch.name, inTeam],
    [hog.name, hogged],
    [colleague.name, hogged],
    [early.name, inBursts],
    [late.name, inBursts],
    [again.name, inBursts],
    [modestSearch.name, principal(windowMs, MODEST)],
    [oneNetwork.name, principal(windowMs, NETWORK, { address: 'one network' })],
    [otherNetwork.name, principal(windowMs, NETWORK, { address: 'another network' })],
    [login.name, loginFrom((user) => `honest ${user}`, attacked)],
    [loginAgain.name, loginFrom(() => 'returning', alone)],
    [guessPassword.name, loginFrom(() => 'guessing', alone)],
    // The accounts take the networks in turn.
    [stuff.name, loginFrom((user) => `stuffing ${Number(user) % stuffers}`, attacked)],
    [guessToken.name, anonymous(() => [anonymousLevel('unauthenticated', 'guessing', 30)])],
    [registerBot.name, anonymous(() => [anonymousLevel('register', 'registering', 10)])],
  ]);
}

function leveledOperations(
  windowMs: number,
  stuffers: number,
  usualNames: readonly string[],
): LeveledOperations {
  const unusual = unusualLevels(windowMs, stuffers);
  const usual = principal(windowMs);
  return {
    levelsOf(operation) {
      const levelsOf = unusual.get(operation.name);
      if (levelsOf) return levelsOf(operation);
      if (usualNames.includes(operation.name)) return usual(operation);
      // Any other request of an account counts for its user and organisation, from whatever address.
      const isCounted =
        operation.status === 0 ||
        parseLimitFields(operation).some(({ policy }) => policy === 'user');
      return operation.user !== '' && isCounted ? usual(operation).slice(0, 2) : null;
    },
    isRefunded: ({ name, outcome }) =>
      outcome === 'ok' && (name === login.name || name === loginAgain.name),
    otherPoliciesOf: ({ name }) => (searchNames.includes(name) ? ['search-concurrent'] : []),
  };
}

export function levelInvariants(given: {
  readonly windowMs: number;
  /** Networks that the stuffed logins come from. */
  readonly stuffers: number;
  /** Names of operations of a session or key with the usual limits, from one address. */
  readonly usualNames: readonly string[];
  /** A busy process releases a slot this long after the answer, at the latest. */
  readonly freeWithinMs: number;
}): readonly Invariant[] {
  const { windowMs, stuffers, usualNames, freeWithinMs } = given;
  const names = [...usualNames, searchBurst.name, singleSearch.name];
  const operations = leveledOperations(windowMs, stuffers, names);
  const mustBind = [
    'organisation',
    'user',
    'address',
    'login',
    'login-pair',
    'register',
    'unauthenticated',
  ];
  return [
    levelsExact({ ...operations, mustBind }),
    levelRefusals({ ...operations, mustBind }),
    remainingExact({ ...operations, mustSay: [...mustBind, 'login-account'] }),
    refundsGiven({
      ...operations,
      policies: ['login', 'login-pair', 'login-account'],
      mustExceed: ['login', 'login-pair'],
    }),
    slotsReturned({
      policy: 'search-concurrent',
      limit: SLOTS,
      operations: searchNames,
      subjectOf: ({ user }) => user,
      alike: heavySearches.map(({ name }) => name),
      freeWithinMs,
      slotTtlMs: SLOT_TTL_MS,
      mustHaveSeen: { refused: 1 },
    }),
    modestServed({
      id: 'searchers-served',
      statement: 'a user who searches a little is never refused, whatever the bots do',
      operations: [modestSearch, ...honestSearches].map(({ name }) => name),
      phases: ['baseline', 'bots', 'liveness'],
      weightOf: unitsOf,
      admitted: 10,
    }),
  ];
}
