/** With fewer samples the quantile says nothing: the chance that no sample lies beyond it is above 5 %. */
export function minimumSamplesOf(quantile: number): number {
  return Math.ceil(Math.log(0.05) / Math.log(quantile));
}
