/** Meanings of text inside a block, each with its HTML element and class. */
export const textStyles = {
  strong: ['b', ''],
  ink: ['span', ''],
  code: ['code', ''],
  /** SQL; cut to one line in a terminal. */
  statement: ['code', 'statement'],
  value: ['span', 'value'],
  /** A value followed by more text. */
  figure: ['span', 'value cell'],
  muted: ['span', 'muted'],
  /** In brackets in formats without colour. */
  aside: ['span', 'muted nowrap'],
  /** `under`, `note`: on a line below. */
  under: ['span', 'under'],
  note: ['span', 'note block'],
  /** A note that is hidden on a narrow screen. */
  optional: ['span', 'note block limit'],
  reason: ['span', 'note'],
  alarm: ['b', 'fail'],
  tag: ['span', 'tag'],
  from: ['span', 'from nowrap'],
  arrow: ['span', 'arrow'],
  to: ['span', 'to nowrap'],
  small: ['small', ''],
  good: ['span', 'pass'],
  bad: ['span', 'fail'],
  doubt: ['span', 'unknown'],
  faint: ['span', 'muted'],
  /** Sentences, in which a number and its unit stay together. */
  prose: null,
  break: null,
} as const satisfies Readonly<Record<string, readonly [element: string, classes: string] | null>>;

export type Style = keyof typeof textStyles;
