/** What text inside a block can mean, and the element and class that show it on the page. */
export const styles = {
  strong: ['b', ''],
  ink: ['span', ''],
  code: ['code', ''],
  /** SQL; a terminal cuts it to one line. */
  statement: ['code', 'statement'],
  value: ['span', 'value'],
  /** A value with something after it. */
  figure: ['span', 'value cell'],
  muted: ['span', 'muted'],
  /** In brackets where there is no colour. */
  aside: ['span', 'muted nowrap'],
  /** `under`, `note`: lines of their own below. */
  under: ['span', 'under'],
  note: ['span', 'note block'],
  /** A note that a narrow screen leaves out. */
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
  /** Sentences: a number keeps its unit on its line. */
  prose: null,
  break: null,
} as const satisfies Readonly<Record<string, readonly [element: string, classes: string] | null>>;

export type Style = keyof typeof styles;
