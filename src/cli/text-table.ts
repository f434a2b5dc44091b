/** Columns of plain text. The last column wraps at the width, so a table never breaks a terminal's line. */

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const last = columns.length - 1;
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const indent = widths.slice(0, last).reduce((sum, columnWidth) => sum + columnWidth + 2, 0);
  const room = Math.max(20, width - indent);
  const line = (cells: readonly string[]): string[] => {
    const head = cells
      .slice(0, last)
      .map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.align))
      .map((cell) => `${cell}  `)
      .join('');
    const tail = cells[last] ?? '';
    if (columns[last]?.align === 'right') return [head + pad(tail, widths[last] ?? 0, 'right')];
    const wrapped = wrap(tail, room);
    return wrapped.map((text, index) => (index === 0 ? head : ' '.repeat(indent)) + text);
  };
  const all = [columns.map((column) => column.title), ...rows].flatMap(line);
  return `${all.map((text) => text.trimEnd()).join('\n')}\n`;
}

/** Breaks at spaces; a word longer than the width keeps its own line. Always at least one line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === '' ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}

function pad(text: string, width: number, align: Column['align']): string {
  return align === 'right' ? text.padStart(width) : text.padEnd(width);
}
