/**
 * Verifies a whole log: first the chain of every shard against the checkpoints, then every row against the chain.
 * Memory does not grow with the log. Only what a signature under a given key covers is trusted, and what is newer than
 * the newest checkpoint.
 */
import { type Block, endOf, isAfter, type LogPosition } from './block.ts';
import { createFindings } from './findings.ts';
import { mergeRecords } from './merge-records.ts';
import type { LogSource, Verification, VerifyOptions } from './verification.ts';
import { type BlockCheck, blockChecks, walkShard } from './verify-blocks.ts';
import {
  isSignedByKnownKey,
  type SignatureCheck,
  verifyCheckpoints,
} from './verify-checkpoints.ts';
import { createMissingRecords } from './verify-missing.ts';
import { haveSameBytes, type MemberComparison, verifyRecords } from './verify-records.ts';
import { openRetention } from './verify-retention.ts';
import { createTimeCheck } from './verify-times.ts';

/** Replaceable steps: tests break one at a time and show that an attack then goes undetected. */
export interface VerifySteps {
  readonly blocks: readonly BlockCheck[];
  readonly isTrusted: SignatureCheck;
  readonly isSameMember: MemberComparison;
}

export const allSteps: VerifySteps = {
  blocks: Object.values(blockChecks),
  isTrusted: isSignedByKnownKey,
  isSameMember: haveSameBytes,
};

export async function verifyLog(
  source: LogSource,
  options: VerifyOptions,
  steps: VerifySteps = allSteps,
): Promise<Verification> {
  const findings = createFindings(options.maxFindings ?? 100);
  const shards = await source.shards();
  const walks = new Map(
    shards.map((shard) => {
      const blocks = source.blocks(shard);
      return [shard, walkShard({ shard, blocks, checks: steps.blocks, findings })];
    }),
  );
  let checkpoints: number;
  try {
    checkpoints = await verifyCheckpoints({
      source,
      walks,
      findings,
      publicKeys: options.publicKeys,
      witnessed: options.witnessed ?? [],
      maxUncheckpointedMs: options.maxUncheckpointedMs ?? 60_000,
      isTrusted: steps.isTrusted,
    });
  } finally {
    for (const walk of walks.values()) await walk.close();
  }
  const progress = [...walks.values()].map((walk) => walk.progress());

  const missing = createMissingRecords(findings);
  const retention = await openRetention(source, findings, options.minRetentionDays ?? 0);
  const { records, notSequenced } = await verifyRecords({
    blocks: new Map(shards.map((shard) => [shard, source.blocks(shard)])),
    records: mergeRecords([source.records(), ...retention.archives]),
    shards: options.shards,
    end: newestEnd(progress.map(({ block }) => block)),
    findings,
    missing,
    retention,
    checkTimes: createTimeCheck(findings, {
      maxLateMs: options.maxLateMs ?? 86_400_000,
      maxDisorderMs: options.maxDisorderMs ?? 600_000,
    }),
    isSameMember: steps.isSameMember,
  });
  missing.reportFindings();
  const archived = retention.reportFindings();

  const result = findings.result();
  const blocks = progress.reduce((sum, shard) => sum + shard.blocks, 0);
  const verdict = result.findingCount === 0 ? 'pass' : 'fail';
  return { verdict, records, blocks, checkpoints, notSequenced, archived, ...result };
}

function newestEnd(blocks: readonly (Block | null)[]): LogPosition | null {
  let end: LogPosition | null = null;
  for (const block of blocks)
    if (block && (end === null || isAfter(endOf(block), end))) end = endOf(block);
  return end;
}
