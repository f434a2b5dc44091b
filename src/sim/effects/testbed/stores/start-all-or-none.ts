/**
 * Starts several servers at once. If one start fails, the others are aborted, and when all have settled it throws the
 * first failure.
 */
export async function startAllOrNone<T>(
  starts: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal?: AbortSignal,
): Promise<T[]> {
  const failed = new AbortController();
  const startSignal = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const results = await Promise.allSettled(
    starts.map(async (start) => {
      try {
        return await start(startSignal);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw failed.signal.reason;
    return result.value;
  });
}
