/**
 * Which new passwords are refused, as NIST SP 800-63B section 3.1.1.2 asks: common ones, repetitions and sequences, and
 * what is derived from the person's own address. Pure; compared in lower case and in one Unicode form.
 */

export type WeakPassword = 'common-password' | 'personal-password';

const MIN_LENGTH = 8;
const MIN_WORD_LENGTH = 3;
/** Digits and signs before and after a common password do not make it another one, up to this many. */
const MAX_DECORATION = 4;
/** Of a repeated part, `abcabcabc`. */
const MAX_UNIT = 4;

/** Null: it may be used. */
export function findWeakness(
  password: string,
  given: { readonly email: string; readonly common: ReadonlySet<string> },
): WeakPassword | null {
  const text = normalise(password);
  const rest = withoutPersonal(text, normalise(given.email));
  // What is the person's own counts for nothing, so the rest has to be a password by itself.
  if (rest !== text && (rest.length < MIN_LENGTH || isCommon(rest, given.common)))
    return 'personal-password';
  return isCommon(text, given.common) ? 'common-password' : null;
}

const normalise = (text: string) => text.normalize('NFKC').toLowerCase();

function isCommon(text: string, common: ReadonlySet<string>): boolean {
  if (common.has(text) || isSequence(text)) return true;
  const bare = text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
  if (text.length - bare.length <= MAX_DECORATION && common.has(bare)) return true;
  const unit = repeatedUnit(text);
  return unit !== null && (unit.length <= MAX_UNIT || common.has(unit));
}

/** Every character is the next one, the one before, or the same: `abcdefgh`, `9876543210`, `aaaaaaaa`. */
function isSequence(text: string): boolean {
  const characters = [...text];
  const steps = characters.slice(1).map((character, i) => stepBetween(characters[i]!, character));
  return [-1, 0, 1].some((step) => steps.every((one) => one === step));
}

/** 0 comes after 9, as on a keyboard. */
function stepBetween(from: string, to: string): number {
  if (from + to === '90') return 1;
  return from + to === '09' ? -1 : to.codePointAt(0)! - from.codePointAt(0)!;
}

/** The shortest part that, repeated, is the whole text. */
function repeatedUnit(text: string): string | null {
  // A rotation of a text within the text doubled shows its period.
  const period = (text + text).indexOf(text, 1);
  return period < text.length ? text.slice(0, period) : null;
}

/** The text without the address, its parts, and the words in them. */
function withoutPersonal(text: string, email: string): string {
  const [local = '', domain = ''] = email.split('@');
  const words = new Set([email, local, domain, ...wordsIn(local), ...wordsIn(domain)]);
  let rest = text;
  for (const word of [...words].sort((a, b) => b.length - a.length))
    if (word.length >= MIN_WORD_LENGTH) rest = rest.replaceAll(word, '');
  return rest;
}

const wordsIn = (text: string) => [...text.split(/[^\p{L}\p{N}]+/u), ...text.split(/[^\p{L}]+/u)];
