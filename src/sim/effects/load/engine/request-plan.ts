/**
 * The requests that an external generator sends, in order: the same bytes and the same seeded choices as our own, with
 * ids to match them with the platform's records. The tool decides when each one is sent; `nominalUs` is its instant at a
 * constant rate.
 */
import { groupsOf } from '../../../pure/load/round-robin.ts';
import { openSchedule } from '../../../pure/load/schedule.ts';
import type { Account, OpenWorkload, Workload } from '../../../pure/load/workload.ts';
import { compileAccount, compileTemplate } from '../http/request-template.ts';
import type { TargetAddress } from '../http/target.ts';
import { parseRequest, type WireRequest } from '../http/wire-request.ts';

export interface PlannedRequest extends WireRequest {
  readonly id: number;
  readonly requestId: string;
  readonly name: string;
  /** Id of the account, empty for none. */
  readonly user: string;
  readonly subject: string | undefined;
  readonly capture: boolean;
  readonly url: string;
  /** From the start of the load. */
  readonly nominalUs: number;
}

export interface PlanOptions {
  readonly seed: number;
  readonly accounts: readonly Account[];
  readonly targets: readonly TargetAddress[];
  readonly requestIdPrefix: string;
  /** One above the last id of the load before. */
  readonly firstId: number;
}

/** The plan is in memory, in k6's memory as well. */
const MAX_REQUESTS = 500_000;

export interface ConstantLoad extends OpenWorkload {
  readonly arrivals: 'constant';
}

/** An external tool plays one constant rate only; any other workload is a bug of the caller. */
export function constantLoad(workload: Workload): {
  readonly ratePerSecond: number;
  readonly durationMs: number;
} {
  const stage = workload.kind === 'open' ? workload.stages[0] : undefined;
  if (
    workload.kind !== 'open' ||
    workload.arrivals !== 'constant' ||
    workload.stages.length !== 1 ||
    stage === undefined ||
    (stage.endRatePerSecond ?? stage.ratePerSecond) !== stage.ratePerSecond
  ) {
    const kindText = workload.kind === 'open' ? '' : `, not a ${workload.kind}`;
    throw new Error(`an external generator plays one constant rate only${kindText}`);
  }
  return stage;
}

export function planRequests(workload: OpenWorkload, options: PlanOptions): PlannedRequest[] {
  const accounts = options.accounts.map(compileAccount);
  const templates = workload.operations.map((template) => compileTemplate(template, accounts));
  const targets = options.targets.map(({ url }) => {
    const { host, pathname } = new URL(url);
    return {
      requestLineEnd: ` HTTP/1.1\r\nhost: ${host}\r\n`,
      pathPrefix: pathname.replace(/\/$/, ''),
      url,
    };
  });
  const withHeaderCapture = templates.find(({ captureHeaders }) => captureHeaders !== null);
  if (withHeaderCapture !== undefined) {
    throw new Error(
      `operation ${withHeaderCapture.name}: an external generator keeps no response headers`,
    );
  }
  const plan: PlannedRequest[] = [];
  const counts = [accounts.length, targets.length] as const;
  const groups = groupsOf(options.accounts);
  for (const planned of openSchedule(workload, options.seed, ...counts, groups)) {
    if (plan.length === MAX_REQUESTS) {
      throw new Error(`an external generator is handed at most ${MAX_REQUESTS} requests`);
    }
    const template = templates[planned.template]!;
    const target = targets[planned.target]!;
    const account = template.needsActor ? accounts[planned.account]! : null;
    const id = options.firstId + plan.length;
    const requestId = options.requestIdPrefix + id;
    const wire = parseRequest(template.render(target, account, id, requestId));
    plan.push({
      ...wire,
      id,
      requestId,
      name: template.name,
      user: account?.id ?? '',
      subject: account?.subject,
      capture: template.capture,
      url: new URL(wire.path, target.url).href,
      nominalUs: planned.atUs,
    });
  }
  return plan;
}
