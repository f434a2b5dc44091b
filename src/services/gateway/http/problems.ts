/**
 * Every response that is not a success is a problem document (RFC 9457). It reveals no internals: an unexpected error is
 * a 500 with its request id, and its stack goes to the operator.
 */
import { randomUUID } from 'node:crypto';
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import pg from 'pg';
import { ServiceError } from '../../ports.ts';
import { plainHeaders } from './response-headers.ts';
import { describeInvalidField } from './validation.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export const problemSchema = {
  $id: 'problem',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'requestId'],
  properties: {
    type: {
      type: 'string',
      description: 'Stable name: a registered problem type, or urn:platform:problem:<code>.',
    },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    requestId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: { pointer: { type: 'string' }, detail: { type: 'string' } },
      },
    },
    'violated-policies': {
      type: 'array',
      description: 'Policies of RateLimit-Policy that refused the request.',
      items: { type: 'string' },
    },
  },
} as const;

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly requestId: string;
  readonly errors?: readonly { pointer: string; detail: string }[];
  readonly 'violated-policies'?: readonly string[];
}

export function problem(status: number, code: string, detail: string, requestId: string): Problem {
  const title = STATUS_CODES[status] ?? 'Error';
  return { type: `urn:platform:problem:${code}`, title, status, detail, requestId };
}

const frameworkCodes: Readonly<Record<string, [status: number, code: string, detail: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [413, 'body-too-large', 'The body is larger than 64 kB.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, 'unsupported-media-type', 'Send application/json.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, 'malformed-json', 'The body is empty.'],
  FST_ERR_CTP_INVALID_JSON_BODY: [
    400,
    'malformed-json',
    'The body is not JSON, or sets a prototype.',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'invalid-length', 'Content-Length is wrong.'],
  FST_ERR_BAD_URL: [400, 'invalid-url', 'The path is not valid percent-encoding.'],
  FST_ERR_MAX_PARAM_LENGTH: [414, 'url-too-long', 'A part of the path is too long.'],
};

export function problemOf(error: FastifyError, requestId: string): Problem {
  if (error instanceof ServiceError) {
    const { status, code, message, registered, members } = error;
    return { ...problem(status, code, message, requestId), ...registered, ...members };
  }
  if (error.validation) {
    const context = error.validationContext ?? 'body';
    const errors = error.validation.map((one) => describeInvalidField(context, one));
    const detail = errors.map((one) => `${one.pointer} ${one.detail}`).join('; ');
    return { ...problem(400, 'validation-failed', detail, requestId), errors };
  }
  const known = frameworkCodes[error.code];
  if (known) return problem(...known, requestId);
  // 57014: statement_timeout. 08, 57P0: the connection was lost or the server is shutting down.
  if (error instanceof pg.DatabaseError && /^(57014|08|57P0)/.test(error.code ?? ''))
    return problem(503, 'database-unavailable', 'The database did not answer in time.', requestId);
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500)
    return problem(error.statusCode, 'bad-request', 'The request cannot be read.', requestId);
  return problem(500, 'internal', 'Something went wrong on our side.', requestId);
}

/** The response will be a 503. */
export const isUnavailable = (error: FastifyError): boolean => problemOf(error, '').status === 503;

const REPORT_INTERVAL_MS = 1_000;

/**
 * Reports a ServiceError at most once a second for each code, and every other error. `main.ts` prints the stack only of
 * the latter.
 */
export function throttleReports(
  report: (where: string, error: Error) => void,
  monotonicMs: () => number,
) {
  const reportedAtMs = new Map<string, number>();
  return (where: string, error: Error) => {
    if (error instanceof ServiceError) {
      const nowMs = monotonicMs();
      if (nowMs - (reportedAtMs.get(error.code) ?? -REPORT_INTERVAL_MS) < REPORT_INTERVAL_MS)
        return;
      reportedAtMs.set(error.code, nowMs);
    }
    report(where, error);
  };
}

/** `report` receives every error behind a 5xx. */
export function createErrorHandler(report: (requestId: string, error: Error) => void) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const body = problemOf(error, request.id);
    if (body.status >= 500) report(request.id, error);
    if (error instanceof ServiceError) reply.headers(error.headers);
    return reply.code(body.status).type(PROBLEM_TYPE).send(body);
  };
}

/** For what reaches no route: the response is written without the framework. */
function problemWithoutRoute(status: number) {
  const id = randomUUID();
  const body = JSON.stringify(problem(status, 'bad-request', 'The request cannot be read.', id));
  const headers = {
    'content-type': PROBLEM_TYPE,
    'x-request-id': id,
    ...plainHeaders,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  return { headers, body };
}

/** For bytes that are not HTTP. */
export function respondToUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? 408
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? 431
        : 400;
  const { headers, body } = problemWithoutRoute(status);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}

/** For an Expect field that is not `100-continue`. */
export function respondToUnknownExpectation(_request: unknown, response: ServerResponse): void {
  const { headers, body } = problemWithoutRoute(417);
  response.writeHead(417, headers).end(body);
}
