/** Generators that can stand in for our own sender; without one of these words it is ours. */

/** undici: our schedule and records over its Pool. autocannon, k6: their own pace, timed from the send. */
export const LOAD_TOOLS = ['undici', 'autocannon', 'k6'] as const;
export type LoadTool = (typeof LOAD_TOOLS)[number];

/** Does the tool decide by itself when to send? Then nobody knows how long a request had been due. */
export function timesFromSend(tool: LoadTool | null): boolean {
  return tool === 'autocannon' || tool === 'k6';
}
