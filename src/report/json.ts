/** result.json as every run writes it: two spaces, the order of keys the run gave, one trailing newline. */
import type { Result } from '../sim/result.ts';

export function renderJson(result: Result): string {
  return `${JSON.stringify(result, null, 2)}\n`;
}
