/** Text of round quantities: `20 ms`, `1.5 s`, `10 KiB`. */

export function durationText(ms: number): string {
  if (ms < 1_000) return `${rounded(ms)} ms`;
  if (ms < 120_000) return `${rounded(ms / 1_000)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** Binary units. */
export function bytesText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  if (bytes < 1_048_576) return `${rounded(bytes / 1_024)} KiB`;
  return `${rounded(bytes / 1_048_576)} MiB`;
}

const rounded = (value: number): string => value.toFixed(1).replace(/\.0$/, '');
