/** Starts several servers at once. After a failure the other starts are aborted, and it throws when all have settled. */

export async function startAllOrNone<T>(
  starts: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal?: AbortSignal,
): Promise<T[]> {
  const failed = new AbortController();
  const eitherSignal = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const results = await Promise.allSettled(
    starts.map(async (start) => {
      try {
        return await start(eitherSignal);
      } catch (error) {
        failed.abort(error); // The first failure is reported.
        throw error;
      }
    }),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw failed.signal.reason;
    return result.value;
  });
}
