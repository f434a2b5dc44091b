/** Text inside a block, with what it means; each renderer decides how that looks. */
import type { ArmName, Verdict } from '../sim/result.ts';
import type { Style } from './styles.ts';
import { verdictMark, verdictWord } from './wording.ts';

export type Medium = 'html' | 'markdown' | 'console';

/** Plain strings are untrusted: every renderer escapes them. */
export type Inline = string | null | false | undefined | readonly Inline[] | Span;
type Span = Styled | Judged | Share | ByMedium;

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

/** Other words in another medium; one that is absent takes those of the medium before it. */
export function byMedium(html: Inline, markdown = html, console = markdown): ByMedium {
  return { html, markdown, console };
}

/** What a format makes of each piece; `text` gets what is untrusted. */
export interface InlineWriter {
  readonly text: (text: string) => string;
  readonly judged: (judged: Judged) => string;
  readonly share: (share: Share) => string;
  /** `inner` is what the content was written as. */
  readonly styled: (styled: Styled, inner: string) => string;
}

export function writeInline(content: Inline, medium: Medium, writer: InlineWriter): string {
  if (content === null || content === false || content === undefined) return '';
  if (typeof content === 'string') return writer.text(content);
  if ('verdict' in content) return writer.judged(content);
  if ('share' in content) return writer.share(content);
  if ('html' in content) return writeInline(content[medium], medium, writer);
  if ('style' in content)
    return writer.styled(content, writeInline(content.content, medium, writer));
  return content.map((part) => writeInline(part, medium, writer)).join('');
}
