/**
 * Parses the lines of k6's `--out json` that describe a request's outcome. k6 writes some fifteen lines a request; the
 * others are skipped by their first characters. Times are wall clock, in microseconds since 1970.
 */
export type K6Sample =
  | {
      readonly kind: 'answer';
      readonly op: number;
      readonly endUs: number;
      /** Sending, waiting and receiving; not the wait for a connection. */
      readonly durationUs: number;
      readonly status: number;
      /** Why there is no whole answer, or null. */
      readonly error: string | null;
      /** False when no byte was on its way. */
      readonly sent: boolean;
    }
  | { readonly kind: 'body'; readonly op: number; readonly body: string }
  | { readonly kind: 'dropped'; readonly count: number; readonly atUs: number };

const ANSWER = point('http_req_duration');
const BODY = point('captured');
const DROPPED = point('dropped_iterations');

interface Point {
  readonly data: {
    readonly time: string;
    readonly value: number;
    readonly tags: Readonly<Record<string, string>>;
    readonly metadata?: Readonly<Record<string, string>>;
  };
}

/** Null for any other line. */
export function parseK6Line(line: string): K6Sample | null {
  const kind = [ANSWER, BODY, DROPPED].find((start) => line.startsWith(start));
  if (kind === undefined) return null;
  const { time, value, tags, metadata } = (JSON.parse(line) as Point).data;
  if (kind === DROPPED) return { kind: 'dropped', count: value, atUs: instantUs(time) };
  // Requests of setup() carry no number.
  if (metadata?.op === undefined) return null;
  const op = Number(metadata.op);
  if (kind === BODY) return { kind: 'body', op, body: metadata.body ?? '' };
  return {
    kind: 'answer',
    op,
    endUs: instantUs(time),
    durationUs: Math.round(value * 1_000),
    status: Number(tags.status ?? 0),
    ...failure(tags),
  };
}

function point(metric: string): string {
  return `{"metric":"${metric}","type":"Point"`;
}

/** k6's error codes: 14xx to 15xx are answers with that status, 11xx DNS, 121x dialling, 13xx TLS before a byte. */
const NEVER_SENT_CODES = /^(10[12]\d|11\d\d|121\d|13\d\d)$/;
const CAUSES: Readonly<Record<string, string>> = {
  1050: 'timeout',
  1211: 'connect timeout',
  1212: 'ECONNREFUSED',
  1201: 'EPIPE',
  1220: 'ECONNRESET',
};

/** Of k6's own machine, in the words of Go. */
const LOCAL_LIMITS: readonly (readonly [RegExp, string])[] = [
  [/too many open files/, 'EMFILE'],
  [/cannot assign requested address/, 'EADDRNOTAVAIL'],
  [/no buffer space available/, 'ENOBUFS'],
  [/cannot allocate memory/, 'ENOMEM'],
];

function failure(tags: Point['data']['tags']): { error: string | null; sent: boolean } {
  const code = tags.error_code ?? '';
  if (code === '' || /^1[45]\d\d$/.test(code)) return { error: null, sent: true };
  const message = tags.error === 'EOF' ? 'closed by server' : tags.error;
  const limit = LOCAL_LIMITS.find(([text]) => text.test(tags.error ?? ''));
  if (limit !== undefined) return { error: limit[1], sent: false };
  const error = CAUSES[code] ?? message ?? `k6 error ${code}`;
  return { error, sent: !NEVER_SENT_CODES.test(code) };
}

/** RFC 3339 with up to nine digits of a second; Date keeps three. */
function instantUs(text: string): number {
  const match = /^(.{19})(?:\.(\d+))?(.*)$/.exec(text);
  const [, seconds = '', fraction = '', zone = ''] = match ?? [];
  return Date.parse(seconds + zone) * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}
