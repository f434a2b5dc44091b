/**
 * What the gateways' own metrics must show of a store that they lost. A design that does not use the store for its
 * requests need not notice a store that swallows everything: nothing is sent to it.
 */
import type { NoticedBy } from '../sim/fault-plan.ts';
import type { Phase } from '../sim/scenario.ts';

const lost = (store: 'postgres' | 'redis') => `store_connections_lost_total{store="${store}"}`;
const SESSION_BREAKER = 'session_redis_breaker_opened_total';
const FALLBACKS = 'session_fallbacks_total';
const LIMITER_BREAKER = 'rate_limiter_breaker_opened_total';
const LOCAL_DECISIONS = 'rate_limiter_decisions_total{mode="share"}';

const every = (metrics: readonly string[], designs?: readonly string[]): NoticedBy => ({
  metrics,
  processes: 'every',
  ...(designs && { designs }),
});
/** Of gateways that are killed as well, one at least runs all the time. */
export const oneLost = (store: 'postgres' | 'redis'): readonly NoticedBy[] => [
  { metrics: [lost(store)], processes: 'one' },
];

/** By the fault's name. */
type NoticedFaults = Readonly<Record<string, readonly NoticedBy[]>>;

export const TURN1_NOTICED: NoticedFaults = {
  'redis-partition': [every([SESSION_BREAKER, FALLBACKS], ['turn1.after'])],
  // The sample keeps no connection to PostgreSQL in use.
  'postgres-kill': [every([lost('postgres')], ['turn1.before', 'turn1.after'])],
  'redis-kill': [every([lost('redis')]), every([SESSION_BREAKER], ['turn1.after'])],
};

export const LIMITS_NOTICED: NoticedFaults = {
  'redis-kill': [
    every([lost('redis'), SESSION_BREAKER]),
    every([LIMITER_BREAKER, LOCAL_DECISIONS], ['turn2.after']),
  ],
};

/** The phases, with what must be noticed of their faults. */
export function withNoticing<Name extends string>(
  phases: readonly Phase<Name>[],
  noticedFaults: NoticedFaults,
): readonly Phase<Name>[] {
  return phases.map((phase): Phase<Name> => {
    const faults = phase.faults?.map((fault) => {
      const noticed = noticedFaults[fault.name];
      return noticed === undefined ? fault : { ...fault, noticed };
    });
    return faults === undefined ? phase : { ...phase, faults };
  });
}
