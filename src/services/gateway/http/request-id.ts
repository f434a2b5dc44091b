/**
 * A request has two ids. Ours is new for every request, names it in the log, the answer and the operator's reports, and
 * nobody can choose it. The client's `X-Request-Id` is recorded beside it, so that a client finds its own request again;
 * it may be the same for many requests or say anything, so nothing depends on it. Pure.
 */

const MAX_LENGTH = 64;
/** No character in it can be told from an encoded one, so every recorded id stands for one sent, unless it was cut. */
const PLAIN_ID_PATTERN = /^[A-Za-z0-9_.:-]{1,64}$/;
const CUT_MARK = '~';

/**
 * As it is recorded: letters, digits and `_.:-` as they are, everything else percent-encoded, and at most 64 characters
 * of what was sent; the mark at the end says that there were more. Null without one.
 */
export function clientRequestIdOf(header: string | string[] | undefined): string | null {
  if (header === undefined || header.length === 0) return null;
  const sent = String(header);
  if (PLAIN_ID_PATTERN.test(sent)) return sent;
  // Header fields are bytes, each a character up to U+00FF.
  const escaped = sent
    .slice(0, MAX_LENGTH)
    .replace(/[^A-Za-z0-9_.:-]/g, (character) =>
      Buffer.from(character, 'latin1').toString('hex').toUpperCase().replace(/^/, '%'),
    );
  return sent.length > MAX_LENGTH ? `${escaped}${CUT_MARK}` : escaped;
}
