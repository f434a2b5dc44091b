/** Text of an operation mix. The caller supplies the number formats, so that all outputs agree. */
import type { OperationTemplate } from '../pure/load/workload.ts';

export interface QuantityText {
  /** `20.6/s` */
  rate(perSecond: number): string;
  /** `20 ms`, `4 s`: round numbers, as a scenario states them. */
  duration(ms: number): string;
  /** `65 %` */
  ratio(ratio: number): string;
}

/** `check 90 %, login 10 %`: the share of each operation. */
export function describeMix(operations: readonly OperationTemplate[], text: QuantityText): string {
  const total = operations.reduce((sum, { weight }) => sum + weight, 0);
  return operations.map(({ name, weight }) => `${name} ${text.ratio(weight / total)}`).join(', ');
}
