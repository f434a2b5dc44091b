/** Waits for the trigger of a fault: a time in the phase, then an event in the history or on the wire. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultTrigger } from '../../fault-plan.ts';
import { WITHOUT_EVENT } from '../../pure/faults/fault-summary.ts';
import { withTimeout } from '../process/with-timeout.ts';

export interface TriggerEvents {
  /** Resolves at the next acknowledged operation of this name. */
  waitForAcknowledged(operation: string): Promise<unknown>;
  /** Resolves when a COMMIT has been forwarded and its reply is held back; rejects after `limitMs`. */
  readonly waitForCommitInFlight: ((limitMs: number, signal: AbortSignal) => Promise<void>) | null;
}

/** Rejects with the signal's reason when it is aborted first. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** `120 ms after an acknowledged logout`. */
export function describeTrigger({ afterMs, acknowledged, commitInFlight }: FaultTrigger): string {
  const events = [
    ...(acknowledged
      ? [`${acknowledged.lagMs} ms after an acknowledged ${acknowledged.operation}`]
      : []),
    ...(commitInFlight ? ['while a COMMIT is in flight'] : []),
  ];
  return events.length === 0 ? `after ${afterMs} ms` : events.join(', ');
}

/**
 * Resolves, when the fault is due, to a description of what triggered it. Rejects with the signal's reason, or when the
 * event does not come within `limitMs`.
 */
export async function awaitTrigger(
  at: FaultTrigger,
  events: TriggerEvents,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<string> {
  await abortable(sleep(at.afterMs, undefined, { signal }), signal);
  const trigger = describeTrigger(at);
  if (at.latestMs === undefined) {
    await waitForEvent(at, events, { limitMs, signal });
    return trigger;
  }
  const deadlinePassed = new AbortController();
  const waitSignal = AbortSignal.any([signal, deadlinePassed.signal]);
  const event = waitForEvent(at, events, { limitMs, signal: waitSignal });
  const isInTime = await withTimeout(event, at.latestMs - at.afterMs).then(
    () => true,
    () => false,
  );
  deadlinePassed.abort();
  signal.throwIfAborted();
  return isInTime ? trigger : `${WITHOUT_EVENT}, after ${at.latestMs} ms: nothing came ${trigger}`;
}

async function waitForEvent(
  at: FaultTrigger,
  events: TriggerEvents,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  if (at.acknowledged) {
    const event = abortable(events.waitForAcknowledged(at.acknowledged.operation), signal);
    await withTimeout(event, limitMs);
    await abortable(sleep(at.acknowledged.lagMs, undefined, { signal }), signal);
  }
  if (at.commitInFlight) {
    if (events.waitForCommitInFlight === null) throw new Error('no proxied edge sees a COMMIT');
    await withTimeout(abortable(events.waitForCommitInFlight(limitMs, signal), signal), limitMs);
  }
}
