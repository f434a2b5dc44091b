/** Every exit code of `platform`; README.md explains them to users. */
export const exitCodes = {
  pass: 0,
  bug: 1,
  usage: 2,
  environment: 3,
  unknown: 97,
  invariant: 98,
  /** k6's code for a missed threshold. */
  slo: 99,
  /** The terminal was closed. */
  SIGHUP: 129,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

const RUN_MEANINGS: Readonly<Record<number, string>> = {
  [exitCodes.pass]: 'pass',
  [exitCodes.unknown]: 'verdict unknown',
  [exitCodes.invariant]: 'invariant violated',
  [exitCodes.slo]: 'SLO missed',
  [exitCodes.SIGHUP]: 'terminal closed',
  [exitCodes.SIGINT]: 'interrupted',
  [exitCodes.SIGTERM]: 'terminated',
};

/** What the code says of a run; null for one that no run ends with. */
export function exitCodeMeaning(exitCode: number): string | null {
  return RUN_MEANINGS[exitCode] ?? null;
}

/** A violated invariant weighs more than a missed SLO, and that more than a run that proved nothing. */
const precedence: readonly number[] = [exitCodes.invariant, exitCodes.slo, exitCodes.unknown];

/** One exit code for several runs: 0 only when all passed. */
export function worstExitCode(codes: readonly number[]): number {
  return (
    precedence.find((code) => codes.includes(code)) ??
    codes.find((code) => code !== exitCodes.pass) ??
    exitCodes.pass
  );
}
