/**
 * Text with `{name}` placeholders, parsed once so that filling it is string concatenation. `{op}` and `{opHex}` are the
 * operation's number, every other name is a variable of the actor.
 */
export type Piece = string | { readonly variable: string };

const PLACEHOLDER = /\{([A-Za-z_]\w*)\}/g;
const OF_OPERATION = new Set(['op', 'opHex']);

export function pieces(text: string): Piece[] {
  // A split by a pattern with one group alternates text and names.
  return text
    .split(PLACEHOLDER)
    .map((part, index) => (index % 2 === 0 ? part : { variable: part }))
    .filter((piece) => piece !== '');
}

/** The variables that an actor must have. */
export function variablesOf(parts: readonly Piece[]): string[] {
  return parts.flatMap((part) =>
    typeof part === 'string' || OF_OPERATION.has(part.variable) ? [] : [part.variable],
  );
}

export function fill(
  parts: readonly Piece[],
  actor: { readonly vars: Readonly<Record<string, string>> } | null,
  operation: number,
  encode: (value: string) => string,
): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else if (part.variable === 'op') text += operation;
    else if (part.variable === 'opHex') text += hexGroups(operation);
    else text += encode(actor?.vars[part.variable] ?? '');
  }
  return text;
}

/** The lower 32 bits as two groups of an IPv6 address. */
function hexGroups(operation: number): string {
  const [high, low] = [(operation >>> 16) & 0xffff, operation & 0xffff];
  return `${high.toString(16)}:${low.toString(16)}`;
}

/** The account or credential that an operation is sent as. */
export interface Actor {
  /** Index of the account. */
  readonly account: number;
  readonly id: string;
  readonly subject: string | undefined;
  readonly vars: Readonly<Record<string, string>>;
  /** `name: value\r\n` lines. */
  readonly headerLines: string;
}
