/**
 * Rejects an invalid workload, naming the value, before anything is started. Problems with the accounts (an empty group,
 * a missing variable) are found when the load begins.
 */
import { durationMs } from './arrivals.ts';
import type { MixWorkload, OpenWorkload, OperationTemplate, Workload } from './workload.ts';

export function validate(workload: Workload): void {
  if (workload.kind === 'mix') {
    validateMix(workload);
    return;
  }
  if (workload.operations.length === 0) throw new RangeError('a workload needs an operation');
  for (const operation of workload.operations) {
    validateRetry(operation);
    finiteAtLeast('timeoutMs', operation.timeoutMs ?? 1, 1);
  }
  if (workload.kind === 'users') {
    const grouped = workload.operations.find(({ group }) => group !== undefined);
    if (grouped !== undefined) {
      throw new RangeError(`operation ${grouped.name}: the users of a closed load have no groups`);
    }
    wholeAtLeast('users', workload.users, 0);
    wholeAtLeast('startBusy', workload.startBusy, 0);
    wholeAtLeast('think.shape', workload.think.shape, 1);
    finiteAtLeast('think.meanMs', workload.think.meanMs, 0);
    finiteAtLeast('durationMs', workload.durationMs, 0);
  } else if (workload.kind === 'sweep') {
    finiteAtLeast('ratePerSecond', workload.ratePerSecond, Number.MIN_VALUE);
    wholeAtLeast('max', workload.max ?? 0, 0);
  } else {
    validateOpen(workload);
  }
}

function validateRetry({ retry }: OperationTemplate): void {
  if (retry === undefined) return;
  wholeAtLeast('retry.attempts', retry.attempts, 1);
  finiteAtLeast('retry.baseMs', retry.baseMs, 0);
  finiteAtLeast('retry.capMs', retry.capMs, 0);
}

function validateOpen({ stages, arrivals, burstEveryMs, burstOffsetMs }: OpenWorkload): void {
  if (stages.length === 0) throw new RangeError('an open workload needs a stage');
  for (const stage of stages) {
    finiteAtLeast('ratePerSecond', stage.ratePerSecond, 0);
    finiteAtLeast('endRatePerSecond', stage.endRatePerSecond ?? 0, 0);
    finiteAtLeast('durationMs', stage.durationMs, Number.MIN_VALUE);
  }
  if (arrivals !== 'bursts') {
    if (burstEveryMs === undefined && burstOffsetMs === undefined) return;
    throw new RangeError(`burstEveryMs and burstOffsetMs belong to bursts, not to ${arrivals}`);
  }
  finiteAtLeast('burstEveryMs', burstEveryMs ?? 0, 1);
  finiteAtLeast('burstOffsetMs', burstOffsetMs ?? 0, 0);
  if ((burstOffsetMs ?? 0) < burstEveryMs!) return;
  throw new RangeError(
    `burstOffsetMs must be less than burstEveryMs, got ${burstOffsetMs} and ${burstEveryMs}; a stage of rate 0 is a longer silence`,
  );
}

function validateMix({ streams, operations }: MixWorkload): void {
  if (streams.length === 0) throw new RangeError('a mix needs a stream');
  for (const stream of streams) validate(stream);
  const streamOperations = streams.flatMap((stream) => stream.operations);
  // By value: a workload that crossed a process boundary shares nothing.
  if (JSON.stringify(operations) !== JSON.stringify(streamOperations)) {
    throw new RangeError('the operations of a mix are those of its streams, in order: use mixOf');
  }
  const names = streamOperations.map(({ name }) => name);
  const duplicate = names.find((name, index) => names.indexOf(name) !== index);
  if (duplicate !== undefined) {
    throw new RangeError(
      `operation ${duplicate} is in a mix twice: nothing could tell the two apart`,
    );
  }
  const lengths = streams.map(durationMs);
  if (lengths.some((length) => Math.abs(length - lengths[0]!) > 0.5)) {
    throw new RangeError(`the streams of a mix end together, got ${lengths.join(', ')} ms`);
  }
}

function wholeAtLeast(name: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new RangeError(`${name} must be a whole number of at least ${minimum}, got ${value}`);
  }
}

function finiteAtLeast(name: string, value: number, minimum: number): void {
  if (!Number.isFinite(value) || value < minimum) {
    throw new RangeError(`${name} must be a number of at least ${minimum}, got ${value}`);
  }
}
