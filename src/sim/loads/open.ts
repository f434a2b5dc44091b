/** Arrivals that do not wait for answers. */
import { mixWords, type QuantityText } from '../load-words.ts';
import type { OpenWorkload } from '../pure/workload.ts';
import { workloadKind } from './play-workload.ts';

export const openLoad = workloadKind<OpenWorkload>({ kind: 'open', words: openWords });

export function openWords(load: OpenWorkload, text: QuantityText): string {
  const rates = load.stages.flatMap(({ ratePerSecond, endRatePerSecond }) => [
    ratePerSecond,
    endRatePerSecond ?? ratePerSecond,
  ]);
  const path = rates.filter((rate, index) => rate !== rates[index - 1]).map(text.rate);
  return `${path.join(', then ')}, ${arrivalWords(load, text)}: ${mixWords(load.operations, text)}.`;
}

function arrivalWords({ arrivals, burstEveryMs = 0 }: OpenWorkload, text: QuantityText): string {
  if (arrivals === 'bursts') return `in bursts every ${text.length(burstEveryMs)}`;
  return arrivals === 'poisson' ? 'Poisson arrivals' : 'even arrivals';
}
