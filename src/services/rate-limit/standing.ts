/**
 * What one process may do now, from the verdicts it has heard: ask Redis, or admit by its part alone, reduced or not.
 * Leave is dropped before a report says so and taken up after its commit is known, so that the table is never behind.
 * Times are the process's monotonic clock.
 */
import { growthMs, holdMs, type Report, trustMs, type Verdict } from './degraded.ts';

export interface Standing {
  mayAsk(runId: string | null, nowMs: number): runId is string;
  /** An answer of Redis has been taken. */
  asked(nowMs: number): void;
  /** `grown`: of the whole limits, not only of the share. */
  local(nowMs: number): { part: number; grown: boolean };
  /** Something has been admitted by what `local` said. */
  admitted(nowMs: number): void;
  /** To be sent at once: it is about now. */
  report(runId: string | null, nowMs: number): Report;
  /** The report sent at `sentMs` has been settled; true when the next one should follow at once. */
  settled(verdict: Verdict, sentMs: number): boolean;
}

export function createStanding(windowMs: number): Standing {
  let leave: string | null = null;
  let leaveUntilMs = 0;
  let lastRunId: string | null = null;
  let lastUseMs: number | null = null;
  let part = 0;
  let partUntilMs = 0;
  /** When each part was last admitted by. */
  const used = new Map<number, number>();
  let grown = false;
  let grownUntilMs = 0;
  let lastGrownMs: number | null = null;

  const local = (nowMs: number) => ({
    part: nowMs < partUntilMs ? part : 0,
    grown: grown && nowMs < grownUntilMs,
  });

  return {
    mayAsk: (runId, nowMs): runId is string =>
      runId !== null && runId === leave && nowMs < leaveUntilMs,
    asked(nowMs) {
      lastUseMs = nowMs;
      lastRunId = leave;
    },
    local,
    admitted(nowMs) {
      const by = local(nowMs);
      used.set(by.part, nowMs);
      if (by.grown) lastGrownMs = nowMs;
    },
    report(runId, nowMs) {
      if (runId !== leave || nowMs >= leaveUntilMs) leave = null;
      if (runId !== null || nowMs >= grownUntilMs) grown = false;
      for (const [old, atMs] of used) if (atMs + windowMs <= nowMs) used.delete(old);
      return {
        runId,
        asking: leave !== null,
        lastRunId: leave ?? lastRunId,
        lastUseAgoMs: lastUseMs === null ? null : nowMs - lastUseMs,
        grown,
        lastGrownAgoMs: lastGrownMs === null ? null : nowMs - lastGrownMs,
        usedPart: Math.max(local(nowMs).part, ...used.keys()),
      };
    },
    settled(verdict, sentMs) {
      const shrunk = verdict.part < local(sentMs).part || (grown && !verdict.grown);
      leave = verdict.mayAsk;
      leaveUntilMs = sentMs + trustMs;
      part = verdict.part;
      partUntilMs = sentMs + holdMs;
      grown = verdict.grown;
      grownUntilMs = sentMs + growthMs;
      return shrunk;
    },
  };
}
