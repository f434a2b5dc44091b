/** Starts several servers at once: all of them, or none goes on starting when this has thrown. */

export async function startTogether<T>(
  starts: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal?: AbortSignal,
): Promise<T[]> {
  const failed = new AbortController();
  const both = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const results = await Promise.allSettled(
    starts.map(async (start) => {
      try {
        return await start(both);
      } catch (error) {
        failed.abort(error); // The first failure is the one to tell.
        throw error;
      }
    }),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw failed.signal.reason;
    return result.value;
  });
}
