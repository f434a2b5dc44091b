/** How a load says what it sends. Numbers are written as every other output of the program writes them, by its caller. */
import type { OperationTemplate } from './pure/workload.ts';

export interface QuantityText {
  /** `20.6/s` */
  rate(perSecond: number): string;
  /** `20 ms`, `4 s`: round numbers, as a scenario states them. */
  length(ms: number): string;
  /** `65 %` */
  ratio(ratio: number): string;
}

/** `check 90 %, login 10 %`: the share of each operation. */
export function mixWords(operations: readonly OperationTemplate[], text: QuantityText): string {
  const total = operations.reduce((sum, { weight }) => sum + weight, 0);
  return operations.map(({ name, weight }) => `${name} ${text.ratio(weight / total)}`).join(', ');
}
