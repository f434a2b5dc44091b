/** Open load: arrivals do not wait for responses. */

import type { OpenWorkload } from '../pure/load/workload.ts';
import { describeMix, type QuantityText } from './describe-mix.ts';
import { workloadKind } from './play-workload.ts';

export const openLoad = workloadKind<OpenWorkload>({ kind: 'open', describe: describeOpen });

export function describeOpen(load: OpenWorkload, text: QuantityText): string {
  const rates = load.stages.flatMap(({ ratePerSecond, endRatePerSecond }) => [
    ratePerSecond,
    endRatePerSecond ?? ratePerSecond,
  ]);
  const path = rates.filter((rate, index) => rate !== rates[index - 1]).map(text.rate);
  return `${path.join(', then ')}, ${describeArrivals(load, text)}: ${describeMix(load.operations, text)}.`;
}

function describeArrivals(
  { arrivals, burstEveryMs = 0 }: OpenWorkload,
  text: QuantityText,
): string {
  if (arrivals === 'bursts') return `in bursts every ${text.duration(burstEveryMs)}`;
  return arrivals === 'poisson' ? 'Poisson arrivals' : 'even arrivals';
}
