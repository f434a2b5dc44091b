/**
 * Which data templates are removed after a new one was built. "Once per machine" holds while the templates of all
 * scenarios fit, at both scales and of two versions of their code (a branch and its base).
 */

/** The scenarios have 9 at both scales together. */
export const MAX_TEMPLATES = 24;
/** Those 9 take 1.3 GB. */
export const MAX_TEMPLATE_BYTES = 4 * 1024 ** 3;
/** Another run may still be copying it. */
export const IN_USE_MS = 10 * 60_000;

interface UsedTemplate {
  readonly sizeBytes: number;
  readonly usedAtMs: number;
}

/** The least recently used, until count and bytes are within their limits; never one that may be in use. */
export function templatesToRemove<Known extends UsedTemplate>(
  templates: readonly Known[],
  nowMs: number,
): Known[] {
  const removed: Known[] = [];
  let count = templates.length;
  let bytes = templates.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const oldest of templates.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
    const fits = count <= MAX_TEMPLATES && bytes <= MAX_TEMPLATE_BYTES;
    if (fits || nowMs - oldest.usedAtMs < IN_USE_MS) break;
    removed.push(oldest);
    count -= 1;
    bytes -= oldest.sizeBytes;
  }
  return removed;
}
