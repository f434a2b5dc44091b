/**
 * Which process is killed when, so that a record that is not durable at its answer is lost: gateways and Redis right
 * after an acknowledged change, PostgreSQL while a COMMIT is in flight, single backends, and gateways by SIGTERM.
 */
import type { KillKind, KillPlan } from '../sim/pure/faults/kill-plan.ts';
import { oneLost } from './noticed-faults.ts';

export type KillCounts = Readonly<
  Record<'gateway' | 'term' | 'postgres' | 'backend' | 'redis', number>
>;
export const NO_KILLS: KillCounts = { gateway: 0, term: 0, postgres: 0, backend: 0, redis: 0 };

const postgresKill: KillKind = {
  family: 'postgres-kill',
  kind: 'kill',
  targets: ['postgres'],
  signal: 'SIGKILL',
  exclusive: true,
  trigger: { commitInFlight: true },
  forMs: 200,
  recoveryMs: 700,
  noticed: oneLost('postgres'),
};
const backendKill: KillKind = {
  family: 'backend-kill',
  kind: 'kill-backend',
  targets: ['postgres'],
  signal: 'SIGKILL',
  exclusive: true,
  forMs: 0,
  recoveryMs: 900,
  noticed: oneLost('postgres'),
};
/** When a backend is killed, the whole server restarts. */
export const POSTGRES_OUTAGE_FAMILIES = [postgresKill.family, backendKill.family];

/** `change`: the operation whose acknowledgement triggers a kill. */
export function buildKillKinds(
  kills: KillCounts,
  { gateways, change }: { readonly gateways: readonly string[]; readonly change: string },
): KillPlan['kinds'] {
  const afterAcknowledged = (lagMs: number) => ({ acknowledged: { operation: change, lagMs } });
  const gatewayKill: KillKind = {
    family: 'gateway-kill',
    kind: 'kill',
    targets: gateways,
    signal: 'SIGKILL',
    trigger: afterAcknowledged(3),
    forMs: 150,
    recoveryMs: 2_000,
  };
  const gatewayTerm: KillKind = {
    family: 'gateway-term',
    kind: 'kill',
    targets: gateways,
    signal: 'SIGTERM',
    forMs: 150,
    recoveryMs: 2_500,
  };
  return [
    { kind: gatewayKill, count: kills.gateway },
    { kind: gatewayTerm, count: kills.term },
    { kind: postgresKill, count: kills.postgres },
    { kind: backendKill, count: kills.backend },
    { kind: redisKill(afterAcknowledged(0)), count: kills.redis },
  ].filter(({ count }) => count > 0);
}

/**
 * Makes turn 3's sample lose events. Each of its 4 gateways polls the queue every 50 ms, so an event stays in Redis'
 * memory for 50 / 5 = 10 ms on average: at 128 events a second that is 1.3 events, plus the one whose answer triggered
 * the kill, 3 ms old when Redis dies. The queue is empty only if a gateway polled within those 3 ms and nothing came
 * since: probability 0.18. So a quick run with 7 kills loses nothing in 1 of 150,000 runs. On a machine so busy that a
 * kill comes at a random time, it is 0.41 and 1 of 500. Both are upper bounds, because events on their way to Redis are
 * lost as well: of 85 kills measured on quiet and busy machines 82 lost something, 5 events each.
 */
function redisKill(trigger: KillKind['trigger'] & object): KillKind {
  return {
    family: 'redis-kill',
    kind: 'kill',
    targets: ['redis'],
    signal: 'SIGKILL',
    exclusive: true,
    trigger,
    forMs: 200,
    recoveryMs: 500,
    noticed: oneLost('redis'),
  };
}
