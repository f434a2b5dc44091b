/** How long keys live. The maximum is a year and a day, as that of GitHub's fine-grained tokens. */
import { isoFromUs } from '../ports.ts';

export const DEFAULT_LIFETIME_DAYS = 90;
export const MAX_LIFETIME_DAYS = 366;
const DAY_US = 86_400_000_000;

export const expiryOf = (createdAtUs: number, lifetimeDays = DEFAULT_LIFETIME_DAYS): string =>
  isoFromUs(createdAtUs + lifetimeDays * DAY_US);
