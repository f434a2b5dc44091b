/**
 * One request at one level of its limits: what it takes there, what was decided, and what its answer says is left. Every
 * level of a request is decided together, so a request has one event for each of them.
 */
import { groupBy } from '../../sim/pure/group-by.ts';
import type { TimedUnits } from './fullest-window.ts';

/**
 * `refused`: this level had no room. `spared`: another level refused, so nothing was taken here. `possible`: it is not
 * known whether it took its units, or they were taken back.
 */
export interface LevelEvent extends TimedUnits {
  readonly kind: 'admitted' | 'refused' | 'spared' | 'possible';
  /** Named in the answer's fields: `user`, `organisation`, `address`, `login`. */
  readonly policy: string;
  /** What is counted, as the client knows it: a user, a team, the network of the address it sent. */
  readonly subject: string;
  readonly limit: number;
  readonly windowUs: number;
  /** Divided between agents: it may refuse although units are left, and says what is left for the agent. */
  readonly isShared: boolean;
  /** The instant of the decision on the limiter's clock; null without evidence. */
  readonly atUs: number | null;
  /** As the answer says; null where it says nothing. */
  readonly remaining: number | null;
  /** The limit that the answer names. */
  readonly quota: number | null;
  /** Took its units at `atUs` and gave them back with the answer: a login that succeeded. */
  readonly isRefunded: boolean;
}

/** A policy's window is the same for all its subjects. */
export const byPolicy = (events: readonly LevelEvent[]): ReadonlyMap<string, LevelEvent[]> =>
  groupBy(events, ({ policy }) => policy);
