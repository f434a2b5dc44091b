/** result.json: two spaces, keys in the order of the result, one trailing newline. */
import type { Result } from '../sim/result.ts';

export function renderJson(result: Result): string {
  return `${JSON.stringify(result, null, 2)}\n`;
}
