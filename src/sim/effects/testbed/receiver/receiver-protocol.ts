/** IPC messages between the run and a receiver's process, in addition to process-contract.ts. */
import type { EndpointBehaviour } from '../../../topology.ts';

/** `params` of the process. */
export interface ReceiverParams {
  readonly port: number;
  /** Behaviours at the start. */
  readonly endpoints: Readonly<Record<string, EndpointBehaviour>>;
  /** File to which arrivals are appended. */
  readonly arrivals: string;
}

/** Answered with the same id when the behaviours are in force. */
export interface SetBehaviours {
  readonly type: 'set';
  readonly id: number;
  readonly endpoints: Readonly<Record<string, EndpointBehaviour>>;
}

export interface BehavioursApplied {
  readonly type: 'set';
  readonly id: number;
}

/** Health check; no endpoint can have this name, and requests to it are not logged. */
export const HEALTH_PATH = '/-/health';
