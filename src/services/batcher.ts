/**
 * Batches calls that arrive in one turn of the event loop into one call of `sendBatch`. If the batch fails, every
 * caller is rejected. While `maxConcurrency` batches are in flight, only a full batch is sent beside them, so under
 * load batches grow before their number does. No call waits longer than one batch takes.
 */

export type BatchedCall<Item, Result> = (item: Item) => Promise<Result>;

interface Batch<Item, Result> {
  readonly items: Item[];
  readonly resolve: ((result: Result) => void)[];
  readonly reject: ((error: Error) => void)[];
}

export function createBatcher<Item, Result>(options: {
  /** Resolves with one result for each item, in the same order. */
  sendBatch: (items: readonly Item[]) => Promise<readonly Result[]>;
  maxBatchSize: number;
  /** Batches in flight beside which only full ones are sent. */
  maxConcurrency: number;
}): BatchedCall<Item, Result> {
  const { sendBatch, maxBatchSize, maxConcurrency } = options;
  let pending: Batch<Item, Result> | null = null;
  let inFlight = 0;
  let isScheduled = false;

  const send = async ({ items, resolve, reject }: Batch<Item, Result>) => {
    inFlight += 1;
    try {
      const results = await sendBatch(items);
      if (results.length !== items.length)
        throw new Error(`${results.length} results for a batch of ${items.length}`);
      for (let i = 0; i < resolve.length; i += 1) resolve[i]!(results[i]!);
    } catch (error) {
      for (const rejectCall of reject) rejectCall(error as Error);
    }
    inFlight -= 1;
    if (inFlight < maxConcurrency) sendPending();
  };

  const sendPending = () => {
    const batch = pending;
    pending = null;
    if (batch) void send(batch);
  };
  /** Runs after the event loop has read everything that had arrived. */
  const sendAfterReads = () => {
    isScheduled = false;
    if (inFlight < maxConcurrency) sendPending();
  };

  return (item) =>
    new Promise((resolve, reject) => {
      pending ??= { items: [], resolve: [], reject: [] };
      pending.items.push(item);
      pending.resolve.push(resolve);
      pending.reject.push(reject);
      if (pending.items.length >= maxBatchSize) {
        sendPending();
      } else if (!isScheduled) {
        isScheduled = true;
        setImmediate(sendAfterReads);
      }
    });
}
