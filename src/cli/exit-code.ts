/**
 * One exit code for several runs. An invariant violated weighs more than an SLO missed, which weighs more
 * than a run that proved nothing; a pass only when all passed.
 */
const PRECEDENCE = [98, 99, 97];

export const INTERRUPT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export function worstExitCode(codes: readonly number[]): number {
  return PRECEDENCE.find((code) => codes.includes(code)) ?? codes.find((code) => code !== 0) ?? 0;
}
