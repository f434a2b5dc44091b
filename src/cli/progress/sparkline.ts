/** Small charts in block characters. The scale starts at zero. */

const blockCharacters = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** One character for each value, a space for null; padded to `width`. */
export function renderSparkline(values: readonly (number | null)[], width: number): string {
  const shown = values.slice(-width);
  const max = Math.max(0, ...shown.map((value) => value ?? 0));
  const text = shown.map((value) => blockFor(value, max)).join('');
  return text.padEnd(width);
}

/** A bar of `width` cells, filled by `ratio` (0 to 1, clamped). */
export function renderBar(ratio: number, width: number): { full: string; rest: string } {
  const clamped = Number.isFinite(ratio) ? Math.min(1, Math.max(0, ratio)) : 0;
  const cells = Math.round(clamped * width);
  return { full: '━'.repeat(cells), rest: '─'.repeat(width - cells) };
}

function blockFor(value: number | null, max: number): string {
  if (value === null) return ' ';
  if (max === 0) return blockCharacters[0];
  const index = Math.ceil((value / max) * blockCharacters.length) - 1;
  return (
    blockCharacters[Math.min(blockCharacters.length - 1, Math.max(0, index))] ?? blockCharacters[0]
  );
}
