/**
 * What one process may do now, from the grants it has received: use Redis, or admit by its quota share alone, reduced or
 * expanded. A grant is given up before the report that says so and taken up after its commit is known, so the table
 * never understates what a process may do. Times are the process's monotonic clock.
 */
import {
  EXPANSION_TTL_MS,
  type MemberGrant,
  type MemberReport,
  QUOTA_SHARE_TTL_MS,
  REDIS_GRANT_TTL_MS,
} from './degraded.ts';

export interface Permission {
  mayUseRedis(runId: string | null, nowMs: number): runId is string;
  /** To be called when an answer of Redis was used. */
  recordRedisUse(nowMs: number): void;
  /** `expanded`: of the whole limits, not only of the degraded share. */
  localQuota(nowMs: number): { quotaShare: number; expanded: boolean };
  /** To be called when a request was admitted by `localQuota`. */
  recordLocalAdmission(nowMs: number): void;
  /** To be sent at once, because its ages count from now. */
  buildReport(runId: string | null, nowMs: number): MemberReport;
  /** The grant for the report sent at `sentMs`, which is committed; true when the next report should follow at once. */
  applyGrant(grant: MemberGrant, sentMs: number): boolean;
}

export function createPermission(windowMs: number): Permission {
  let grantedRunId: string | null = null;
  let grantedUntilMs = 0;
  let lastUsedRunId: string | null = null;
  let lastRedisUseMs: number | null = null;
  let quotaShare = 0;
  let quotaShareUntilMs = 0;
  const lastAdmissionMsByShare = new Map<number, number>();
  let expanded = false;
  let expandedUntilMs = 0;
  let lastExpandedMs: number | null = null;

  const localQuota = (nowMs: number) => ({
    quotaShare: nowMs < quotaShareUntilMs ? quotaShare : 0,
    expanded: expanded && nowMs < expandedUntilMs,
  });

  return {
    mayUseRedis: (runId, nowMs): runId is string =>
      runId !== null && runId === grantedRunId && nowMs < grantedUntilMs,
    recordRedisUse(nowMs) {
      lastRedisUseMs = nowMs;
      lastUsedRunId = grantedRunId;
    },
    localQuota,
    recordLocalAdmission(nowMs) {
      const quota = localQuota(nowMs);
      lastAdmissionMsByShare.set(quota.quotaShare, nowMs);
      if (quota.expanded) lastExpandedMs = nowMs;
    },
    buildReport(runId, nowMs) {
      if (runId !== grantedRunId || nowMs >= grantedUntilMs) grantedRunId = null;
      if (runId !== null || nowMs >= expandedUntilMs) expanded = false;
      for (const [share, atMs] of lastAdmissionMsByShare)
        if (atMs + windowMs <= nowMs) lastAdmissionMsByShare.delete(share);
      return {
        runId,
        usesRedis: grantedRunId !== null,
        lastUsedRunId: grantedRunId ?? lastUsedRunId,
        lastUseAgoMs: lastRedisUseMs === null ? null : nowMs - lastRedisUseMs,
        expanded,
        lastExpandedAgoMs: lastExpandedMs === null ? null : nowMs - lastExpandedMs,
        usedQuotaShare: Math.max(localQuota(nowMs).quotaShare, ...lastAdmissionMsByShare.keys()),
      };
    },
    applyGrant(grant, sentMs) {
      const isSmaller =
        grant.quotaShare < localQuota(sentMs).quotaShare || (expanded && !grant.expanded);
      grantedRunId = grant.grantedRunId;
      grantedUntilMs = sentMs + REDIS_GRANT_TTL_MS;
      quotaShare = grant.quotaShare;
      quotaShareUntilMs = sentMs + QUOTA_SHARE_TTL_MS;
      expanded = grant.expanded;
      expandedUntilMs = sentMs + EXPANSION_TTL_MS;
      return isSmaller;
    },
  };
}
