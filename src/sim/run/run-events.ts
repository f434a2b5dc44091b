/** Progress events of a run. Presentation is left to the caller. */
import type { SenderProgress } from '../effects/load/engine/sender-protocol.ts';
import type { ArmName } from '../result.ts';

export type RunEvent =
  | { readonly type: 'run'; readonly runId: string; readonly folder: string }
  | {
      readonly type: 'phase';
      readonly arm: ArmName | null;
      readonly phase: string;
      /** One short sentence, lower case, no full stop: `sizing the population for 92 % database CPU`. */
      readonly note: string;
      /** Planned length; null when it ends by itself. */
      readonly plannedMs: number | null;
    }
  | ({
      readonly type: 'progress';
      readonly arm: ArmName;
      /** Percent of one core, by process name. */
      readonly cpuPercent: Readonly<Record<string, number>>;
    } & Omit<SenderProgress, 'type' | 'lagP99Us'>)
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'kept'; readonly lines: readonly string[] };
