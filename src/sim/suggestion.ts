/** The closest known word to a mistyped one; null when none is close. */
import { distance } from 'fastest-levenshtein';

export function suggestion(typed: string, known: readonly string[]): string | null {
  const word = typed.trim().toLowerCase();
  // `platform sim 4` is the most likely slip, with a large edit distance.
  const turn = /^(?:turn|t)?[\s_-]*(\d+)$/.exec(word);
  if (turn !== null && known.includes(`turn${turn[1]}`)) return `turn${turn[1]}`;
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length * 0.4)) + 1;
  for (const candidate of known) {
    // Levenshtein counts transposed letters, a common slip, as two edits.
    const swapped = sortedLetters(word) === sortedLetters(candidate);
    const candidateDistance = swapped ? 1 : distance(word, candidate.toLowerCase());
    if (candidateDistance < bestDistance) {
      best = candidate;
      bestDistance = candidateDistance;
    }
  }
  return best;
}

function sortedLetters(word: string): string {
  return [...word.toLowerCase()].sort().join('');
}
