/** Text inside a block, marked with its meaning; each renderer decides how that looks. */
import type { ArmName, Verdict } from '../sim/result.ts';
import type { Style } from './styles.ts';
import { verdictMark, verdictWord } from './wording.ts';

export type Medium = 'html' | 'markdown' | 'console';

/** Plain strings are untrusted: every renderer escapes them. */
export type Inline = string | null | false | undefined | readonly Inline[] | Span;
type Span = Styled | Judged | Proportion | ByMedium;

export interface Styled {
  readonly style: Style;
  readonly content: Inline;
  /** Shown in the colour of this arm. */
  readonly arm?: ArmName;
}

/** A mark and a word, because colour alone does not show in every format. */
export interface Judged {
  readonly verdict: Verdict;
  readonly mark: string;
  readonly word: string;
}

/** `ratio` is 0 to 1; the page draws a bar beside the text. */
export interface Proportion {
  readonly ratio: number;
  readonly text: string;
  readonly isAlarming: boolean;
}

interface ByMedium {
  readonly html: Inline;
  readonly markdown: Inline;
  readonly console: Inline;
}

export function styled(style: Style, content: Inline): Styled {
  return { style, content };
}

export function judged(verdict: Verdict, word = verdictWord(verdict)): Judged {
  return { verdict, mark: verdictMark(verdict), word };
}

/** Text for each medium; an absent one is that of the medium before it. */
export function byMedium(html: Inline, markdown = html, console = markdown): ByMedium {
  return { html, markdown, console };
}

/** How a format writes each kind of piece; `text` must escape. */
export interface InlineWriter {
  readonly text: (text: string) => string;
  readonly judged: (judged: Judged) => string;
  readonly proportion: (proportion: Proportion) => string;
  /** `inner` is the written content. */
  readonly styled: (styled: Styled, inner: string) => string;
}

export function writeInline(content: Inline, medium: Medium, writer: InlineWriter): string {
  if (content === null || content === false || content === undefined) return '';
  if (typeof content === 'string') return writer.text(content);
  if ('verdict' in content) return writer.judged(content);
  if ('ratio' in content) return writer.proportion(content);
  if ('html' in content) return writeInline(content[medium], medium, writer);
  if ('style' in content)
    return writer.styled(content, writeInline(content.content, medium, writer));
  return content.map((part) => writeInline(part, medium, writer)).join('');
}
