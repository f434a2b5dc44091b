/** Waits for the trigger of a fault: a time in the phase, then an event in the history or on the wire. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultTrigger } from '../../fault-plan.ts';
import { WITHOUT_EVENT } from '../../pure/fault-summary.ts';
import { withTimeout } from './with-timeout.ts';

export interface TriggerEvents {
  /** Resolves at the next acknowledged operation of this name. */
  acknowledged(operation: string): Promise<unknown>;
  /** Resolves while a COMMIT is with the server and its reply is not yet back; rejects after `limitMs`. */
  readonly commitInFlight: ((limitMs: number, signal: AbortSignal) => Promise<void>) | null;
}

/** Where a signal ends the wait with its reason. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** What the trigger is, in words: `120 ms after an acknowledged logout`. */
export function describeTrigger({ afterMs, acknowledged, commitInFlight }: FaultTrigger): string {
  const events = [
    ...(acknowledged
      ? [`${acknowledged.lagMs} ms after an acknowledged ${acknowledged.operation}`]
      : []),
    ...(commitInFlight ? ['while a COMMIT is in flight'] : []),
  ];
  return events.length === 0 ? `after ${afterMs} ms` : events.join(', ');
}

/** Resolves when the fault is due, with why in words. Rejects with the signal's reason, or when the event does not come within `limitMs`. */
export async function awaitTrigger(
  at: FaultTrigger,
  events: TriggerEvents,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<string> {
  await orAborted(sleep(at.afterMs, undefined, { signal }), signal);
  const described = describeTrigger(at);
  if (at.latestMs === undefined) {
    await untilEvent(at, events, { limitMs, signal });
    return described;
  }
  const latest = new AbortController();
  const wait = AbortSignal.any([signal, latest.signal]);
  const event = untilEvent(at, events, { limitMs, signal: wait });
  const isIn = await withTimeout(event, at.latestMs - at.afterMs).then(
    () => true,
    () => false,
  );
  latest.abort();
  signal.throwIfAborted();
  return isIn ? described : `${WITHOUT_EVENT}, after ${at.latestMs} ms: nothing came ${described}`;
}

async function untilEvent(
  at: FaultTrigger,
  events: TriggerEvents,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  if (at.acknowledged) {
    const event = orAborted(events.acknowledged(at.acknowledged.operation), signal);
    await withTimeout(event, limitMs);
    await orAborted(sleep(at.acknowledged.lagMs, undefined, { signal }), signal);
  }
  if (at.commitInFlight) {
    if (events.commitInFlight === null) throw new Error('no proxied edge sees a COMMIT');
    await withTimeout(orAborted(events.commitInFlight(limitMs, signal), signal), limitMs);
  }
}
