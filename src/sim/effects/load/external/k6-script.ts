/**
 * The script k6 plays: the planned requests in their order, one an iteration, at a constant arrival rate. Its own
 * samples carry the number of the request as metadata, which is how they find their way back to it.
 */
export interface K6Load {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly timeoutMs: number;
  /** Answered once when the load may begin: starting k6 and its users takes a while. */
  readonly gateUrl: string;
  readonly gateLimitMs: number;
  /** Beside the script. */
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

/** Memory of its users is k6's price: some hundreds of kB each. Beyond them it drops arrivals. */
const MAX_USERS = 1_000;
const MIN_USERS = 20;

export function k6Script(load: K6Load): string {
  // Users for answers of a second from the start: made during the load they cost what is measured.
  const users = Math.min(MAX_USERS, Math.max(MIN_USERS, Math.ceil(load.ratePerSecond)));
  const options = {
    discardResponseBodies: true,
    systemTags: ['status', 'error', 'error_code'],
    setupTimeout: `${load.gateLimitMs}ms`,
    scenarios: {
      open: {
        executor: 'constant-arrival-rate',
        exec: 'send',
        // k6 takes whole numbers; by the minute, 90/m stays what it is.
        rate: Math.max(1, Math.round(load.ratePerSecond * 60)),
        timeUnit: '1m',
        duration: `${load.durationMs}ms`,
        preAllocatedVUs: users,
        maxVUs: MAX_USERS,
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
