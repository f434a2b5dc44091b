/**
 * Reads bodies: JSON, or none. An empty body is none whatever its Content-Type says, because clients name one for a
 * logout without a body, and a refusal would leave the session alive. Where no body is expected, `{}` is accepted as
 * well, and anything else is refused like an unknown property.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { unexpectedBody } from './validation.ts';

const unsupportedMediaType = () =>
  Object.assign(new Error('not JSON'), { code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415 });

export function registerBodyParsers(app: FastifyInstance): void {
  // 'error': names that would change an object's prototype are refused.
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    (request, text, done) => {
      if (text === '') done(null, undefined);
      else void parseJson(request, text, done);
    },
  );
  app.addContentTypeParser<string>('*', { parseAs: 'string' }, (_request, text, done) => {
    if (text === '') done(null, undefined);
    else done(unsupportedMediaType());
  });
}

/** Before Fastify looks at the media type, which need not be a valid one when there is nothing of that type. */
export function ignoreTypeOfEmptyBody({ raw: { headers } }: FastifyRequest): void {
  if (headers['content-type'] === undefined || headers['transfer-encoding'] !== undefined) return;
  const length = headers['content-length'];
  if (length === undefined || length === '0') delete headers['content-type'];
}

/** For routes that expect no body. */
export function refuseBody(
  { body }: FastifyRequest,
  _reply: unknown,
  done: (error?: Error) => void,
): void {
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  const [name = null] = isObject ? Object.keys(body) : [];
  if (body === undefined || (isObject && name === null)) done();
  else done(unexpectedBody(name));
}
