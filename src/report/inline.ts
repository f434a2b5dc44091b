/** Text inside a block, with what it means; each renderer decides how that looks. */
import type { ArmName, Verdict } from '../sim/result.ts';
import { verdictMark, verdictWord } from './wording.ts';

export type Medium = 'html' | 'markdown' | 'console';

/** Plain strings are untrusted: every renderer escapes them. */
export type Inline =
  | string
  | null
  | false
  | undefined
  | readonly Inline[]
  | Styled
  | Judged
  | Share
  | ByMedium;

/**
 * `value`: a measured value; `figure`: the same with something after it; `prose`: sentences, whose numbers keep
 * their units; `aside`: in brackets where there is no colour; `under`, `note`: a line of their own below;
 * `optional`: a note that a narrow screen leaves out; `good`, `bad`, `doubt`, `faint`: tones of a terminal.
 */
export type Style =
  | 'strong'
  | 'ink'
  | 'code'
  | 'statement'
  | 'value'
  | 'figure'
  | 'prose'
  | 'muted'
  | 'aside'
  | 'under'
  | 'note'
  | 'optional'
  | 'reason'
  | 'alarm'
  | 'tag'
  | 'nowrap'
  | 'from'
  | 'arrow'
  | 'to'
  | 'small'
  | 'break'
  | Tone;

export type Tone = 'good' | 'bad' | 'doubt' | 'faint';

export interface Styled {
  readonly style: Style;
  readonly content: Inline;
  /** In the colour of this arm. */
  readonly arm?: ArmName;
}

/** Mark and word, never colour alone; formats without colour show the mark. */
export interface Judged {
  readonly verdict: Verdict;
  readonly mark: string;
  readonly word: string;
}

/** 0 to 1, with a bar where there is room. */
export interface Share {
  readonly share: number;
  readonly text: string;
  readonly isAlarming: boolean;
}

export interface ByMedium {
  readonly html: Inline;
  readonly markdown: Inline;
  readonly console: Inline;
}

export function styled(style: Style, content: Inline): Styled {
  return { style, content };
}

export function strong(content: Inline, arm?: ArmName): Styled {
  return arm === undefined ? { style: 'strong', content } : { style: 'strong', content, arm };
}

export function code(content: string): Styled {
  return { style: 'code', content };
}

export function judged(verdict: Verdict, word = verdictWord(verdict)): Judged {
  return { verdict, mark: verdictMark(verdict), word };
}

/** Other words in another medium; one that is absent takes those of the medium before it. */
export function byMedium({
  html,
  markdown = html,
  console = markdown,
}: {
  readonly html: Inline;
  readonly markdown?: Inline;
  readonly console?: Inline;
}): ByMedium {
  return { html, markdown, console };
}
