/** What the run and the process of a receiver say to each other over IPC, beside process-contract.ts. */
import type { EndpointBehaviour } from '../../topology.ts';

/** `params` of the process. */
export interface ReceiverParams {
  readonly port: number;
  /** As they are at the start. */
  readonly endpoints: Readonly<Record<string, EndpointBehaviour>>;
  /** Where arrivals are appended. */
  readonly arrivals: string;
}

/** Answered with the same id when it is in force. */
export interface SetBehaviours {
  readonly type: 'set';
  readonly id: number;
  readonly endpoints: Readonly<Record<string, EndpointBehaviour>>;
}

export interface BehavioursSet {
  readonly type: 'set';
  readonly id: number;
}

/** Of the process's own; no endpoint can be called so, and a GET of it is no arrival. */
export const HEALTH_PATH = '/-/health';
