/** Small drawings in block characters. The scale starts at zero, so a flat line looks flat. */

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** One character a value; a space where nothing was measured. Padded to `width`. */
export function sparkline(values: readonly (number | null)[], width: number): string {
  const shown = values.slice(-width);
  const max = Math.max(0, ...shown.map((value) => value ?? 0));
  const text = shown.map((value) => block(value, max)).join('');
  return text.padEnd(width);
}

/** A bar of `width` cells, `share` (0 to 1, clipped) of them filled. */
export function bar(share: number, width: number): { full: string; rest: string } {
  const clipped = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
  const cells = Math.round(clipped * width);
  return { full: '━'.repeat(cells), rest: '─'.repeat(width - cells) };
}

function block(value: number | null, max: number): string {
  if (value === null) return ' ';
  if (max === 0) return BLOCKS[0];
  const index = Math.ceil((value / max) * BLOCKS.length) - 1;
  return BLOCKS[Math.min(BLOCKS.length - 1, Math.max(0, index))] ?? BLOCKS[0];
}
