/**
 * Generates k6's script: the planned requests in order, one for each iteration, at a constant arrival rate. Samples carry
 * the number of their request as metadata.
 */
export interface K6Load {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly timeoutMs: number;
  /** Answered when the load may begin: k6 and its virtual users start slowly. */
  readonly gateUrl: string;
  readonly gateLimitMs: number;
  /** In the script's folder. */
  readonly planFile: string;
  readonly maxCaptureBytes: number;
}

/** What the script reads of one planned request. */
export interface K6Request {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly capture: boolean;
}

/** A virtual user takes some hundreds of kB of memory. Without a free one k6 drops the arrival. */
const MAX_VUS = 1_000;
const MIN_VUS = 20;

export function k6Script(load: K6Load): string {
  // Enough from the start for answers of a second: creating them during the load would disturb the measurement.
  const users = Math.min(MAX_VUS, Math.max(MIN_VUS, Math.ceil(load.ratePerSecond)));
  const options = {
    discardResponseBodies: true,
    systemTags: ['status', 'error', 'error_code'],
    setupTimeout: `${load.gateLimitMs}ms`,
    scenarios: {
      open: {
        executor: 'constant-arrival-rate',
        exec: 'send',
        // k6 takes whole numbers only: a rate by the minute keeps 1.5/s exact.
        rate: Math.max(1, Math.round(load.ratePerSecond * 60)),
        timeUnit: '1m',
        duration: `${load.durationMs}ms`,
        preAllocatedVUs: users,
        maxVUs: MAX_VUS,
        gracefulStop: `${load.timeoutMs + 1_000}ms`,
      },
    },
  };
  return `import http from 'k6/http';
import exec from 'k6/execution';
import { SharedArray } from 'k6/data';
import { Counter } from 'k6/metrics';

const plan = new SharedArray('plan', () => JSON.parse(open(${JSON.stringify(load.planFile)})));
const captured = new Counter('captured');

export const options = ${JSON.stringify(options, null, 2)};

export function setup() {
  const gate = http.get(${JSON.stringify(load.gateUrl)}, { timeout: '${load.gateLimitMs}ms' });
  if (gate.status !== 204) exec.test.abort('the run did not begin');
}

export function send() {
  const op = exec.scenario.iterationInTest;
  if (op >= plan.length) return;
  const { method, url, headers, body, capture } = plan[op];
  const { metadata } = exec.vu.metrics;
  metadata.op = String(op);
  const response = http.request(method, url, body, {
    headers,
    redirects: 0,
    timeout: '${load.timeoutMs}ms',
    responseType: capture ? 'text' : 'none',
  });
  if (capture && response.body !== null) {
    metadata.body = response.body.slice(0, ${load.maxCaptureBytes});
    captured.add(1);
    delete metadata.body;
  }
}

export function handleSummary() {
  return {};
}
`;
}
