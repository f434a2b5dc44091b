/**
 * Creates the limiter of a design, with its settings and the routes that change them. The samples' buckets have no
 * settings at run time and do not work without Redis.
 */
import type { Redis } from 'ioredis';
import type { Authorize } from '../../authorization.ts';
import type { BucketsDesign, ExactLimitsDesign, RateLimitDesign } from '../../design.ts';
import type { Clock, Random, TransactionalDatabase } from '../../ports.ts';
import { createBucketLimiter } from '../../rate-limit/bucket-limiter.ts';
import type { Limiter, LimiterObserver } from '../../rate-limit/contract.ts';
import { createLimiter } from '../../rate-limit/limiter.ts';
import { limitRoutes } from '../../rate-limit/routes.ts';
import { createLimitSettings } from '../../rate-limit/settings.ts';
import { createLimitSettingsChanges } from '../../rate-limit/settings-changes.ts';
import type { LimitsOf } from '../../rate-limit/settings-policy.ts';
import { createLimitStore } from '../../rate-limit/store.ts';
import type { Route } from '../../route.ts';

export interface LimitResources {
  readonly name: string;
  readonly db: TransactionalDatabase;
  /** Connections that nothing else can keep busy. */
  readonly fenceDb: TransactionalDatabase;
  readonly limitRedis: Redis;
  readonly keyPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** `exact` has settings, and routes that change them. */
export type Limits = { start(): Promise<void>; close(): Promise<void> } & (
  | { readonly kind: 'off' }
  | { readonly kind: 'buckets'; readonly design: BucketsDesign; readonly limiter: Limiter }
  | {
      readonly kind: 'exact';
      readonly design: ExactLimitsDesign;
      readonly limiter: Limiter;
      readonly limitsOf: LimitsOf;
      readonly routes: readonly Route[];
    }
);

export function createLimits(
  design: RateLimitDesign,
  given: LimitResources & { authorize: Authorize },
  observer: LimiterObserver,
): Limits {
  switch (design.kind) {
    case 'off':
      return { kind: 'off', start: async () => {}, close: async () => {} };
    case 'buckets': {
      const buckets = createBucketLimiter({ ...given, redis: given.limitRedis, design });
      const limiter = withObserver(buckets, observer);
      return { kind: 'buckets', design, limiter, start: limiter.start, close: limiter.close };
    }
    case 'exact':
      return createExactLimits(design, given, observer);
    default:
      return design satisfies never;
  }
}

/** Only for buckets: the exact limiter calls the observer itself, because it also knows the mode. */
const withObserver = (limiter: Limiter, observer: LimiterObserver): Limiter => ({
  ...limiter,
  async decide(request, onLimiterDown) {
    const startedMs = performance.now();
    const decision = await limiter.decide(request, onLimiterDown);
    observer.onDecision(decision.mode, (performance.now() - startedMs) / 1_000);
    return decision;
  },
});

function createExactLimits(
  design: ExactLimitsDesign,
  given: LimitResources & { authorize: Authorize },
  observer: LimiterObserver,
): Limits {
  const redis = given.limitRedis;
  const settings = createLimitSettings({
    ...given,
    db: given.fenceDb,
    design,
    onError: observer.onError,
  });
  const limiter = createLimiter({
    ...given,
    db: given.fenceDb,
    redis,
    design,
    observer,
    store: createLimitStore({ redis, keyPrefix: given.keyPrefix }),
  });
  return {
    kind: 'exact',
    design,
    limiter,
    limitsOf: settings.limitsOf,
    routes: limitRoutes({
      changes: createLimitSettingsChanges(given),
      settings,
      authorize: given.authorize,
    }),
    async start() {
      await settings.start();
      await limiter.start();
    },
    async close() {
      await limiter.close();
      await settings.close();
    },
  };
}
