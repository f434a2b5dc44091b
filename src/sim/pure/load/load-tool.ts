/** External load generators for `--load`; without one, our own sender. */

/** undici: our schedule and records over its Pool. autocannon, k6: their own pace, timed from the send. */
export const LOAD_TOOLS = ['undici', 'autocannon', 'k6'] as const;
export type LoadTool = (typeof LOAD_TOOLS)[number];

/** Whether the tool paces itself: it reports no scheduled instants, so latency counts from the send. */
export function timesFromSend(tool: LoadTool | null): boolean {
  return tool === 'autocannon' || tool === 'k6';
}
