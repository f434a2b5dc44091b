/**
 * Units that a request may get back: all of them when we answer 503, because then it was served nothing; those of a
 * password check when it succeeds. A wrong password keeps them, also where putting it on record fails: otherwise guesses
 * would be free while the audit log is down.
 */
/** Takes back what was counted; never rejects. */
export type Refund = () => Promise<void>;

export const noRefund: Refund = async () => {};

/** What a request has taken so far. */
export interface TakenUnits {
  readonly ofRequest: Refund[];
  readonly ofPasswordCheck: Refund[];
}

export const createTakenUnits = (): TakenUnits => ({ ofRequest: [], ofPasswordCheck: [] });

export const refundPasswordCheck = (taken: TakenUnits): Promise<void> =>
  refundAll(taken.ofPasswordCheck);

/** Idempotent. */
export async function refundUnavailable(taken: TakenUnits): Promise<void> {
  await refundAll([...taken.ofRequest.splice(0), ...taken.ofPasswordCheck.splice(0)]);
}

export function keepUnits(taken: TakenUnits): void {
  taken.ofRequest.length = 0;
  taken.ofPasswordCheck.length = 0;
}

async function refundAll(refunds: Refund[]): Promise<void> {
  await Promise.all(refunds.splice(0).map((refund) => refund()));
}
